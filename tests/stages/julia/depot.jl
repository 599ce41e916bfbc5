# Makes a depot of what a manifest pins, without any network: julia depot.jl MANIFEST DEPOT
#
# The packages that the stages call are the modules beside this file, the others are empty. So the
# stages' own code can be tested where Julia's registry can't be reached.

using Pkg

manifest, depot = ARGS
for (name, (entry,)) in Pkg.TOML.parsefile(manifest)
    haskey(entry, "git-tree-sha1") || continue # Julia's own
    slug = Base.version_slug(Base.UUID(entry["uuid"]), Base.SHA1(entry["git-tree-sha1"]))
    folder = joinpath(depot, "packages", name, slug)
    mkpath(joinpath(folder, "src"))
    lines = ["$key = \"$(entry[key])\"\n" for key in ("uuid", "version")]
    write(joinpath(folder, "Project.toml"), "name = \"$name\"\n", lines...)
    source = joinpath(@__DIR__, "$name.jl")
    text = isfile(source) ? read(source, String) : "module $name\nend\n"
    write(joinpath(folder, "src", "$name.jl"), text)
end
