# Installs what the active project asks for: what its manifest pins or, if that is another Julia's,
# the newest that Project.toml allows.

using Pkg

folder = dirname(Base.active_project())
own = joinpath(folder, "Manifest-v$(VERSION.major).$(VERSION.minor).toml")
manifest = joinpath(folder, "Manifest.toml")
if isfile(own)
    VERSION >= v"1.10.8" || cp(own, manifest; force = true)
elseif isfile(manifest) && VERSION >= v"1.6"
    found = match(r"^julia_version = \"(\d+)\.(\d+)"m, read(manifest, String))
    same = found !== nothing && found.captures == [string(VERSION.major), string(VERSION.minor)]
    same || Pkg.update()
end
Pkg.instantiate()
Pkg.precompile()
