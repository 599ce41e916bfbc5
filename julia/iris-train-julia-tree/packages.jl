# Installs this folder's packages.
#
# Each Julia stage folder has a copy, since an image is built from its stage's folder alone;
# `make copies` writes them. Where all packages are in the depot already, Julia 1.5 downloads
# nothing.

using Pkg

# Manifest.toml is what the stages were tested with: Julia 1.5, and packages of its time. A
# later Julia takes the newest that Project.toml allows, and notes them in a file of its own
# name, if it knows such files; they are chosen once.
manifest = joinpath(@__DIR__, "Manifest.toml")
if VERSION >= v"1.10.8"
    manifest = joinpath(@__DIR__, "Manifest-v$(VERSION.major).$(VERSION.minor).toml")
end
chosen = VERSION < v"1.6" || (VERSION >= v"1.10.8" && isfile(manifest))
isfile(manifest) || cp(joinpath(@__DIR__, "Manifest.toml"), manifest)
Pkg.activate(@__DIR__)
chosen || Pkg.update()
Pkg.instantiate()
Pkg.precompile()
