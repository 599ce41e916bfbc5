# Predicts the species of flowers: a line of output for each row of measurements.

# The packages of this folder's Project.toml, from wherever the stage is run, unless pachlocal has
# installed them as a project of its own.
haskey(ENV, "JULIA_PROJECT") || pushfirst!(LOAD_PATH, @__DIR__)

using DecisionTree
using JLD2
using Logging

include("iris.jl")

const DESCRIPTION = "Predicts the species of flowers: a line for each row of measurements."
const ARGUMENTS = [
    "model" => "folder that holds model.jld2",
    "attributes" => "folder of files to classify",
    "out" => "folder for the answers, files of the same names",
]

function main(args)
    return run_stage(DESCRIPTION, ARGUMENTS, args) do folder, attributes, out
        flowers = read_attributes(attributes)
        model = load_model(folder)
        answers = [file => classify(model, x) for (file, x) in flowers]
        writers = [
            file => path -> write(path, join(species, "\n"), "\n") for
            (file, species) in answers
        ]
        write_files(out, writers)
    end
end

"""
    load_model(folder)

Read the tree or forest that a Julia trainer wrote.
"""
function load_model(folder)
    path = joinpath(folder, MODEL_FILE)
    if !isfile(path)
        names = isdir(folder) ? readdir(folder) : String[]
        others = filter(name -> occursin(r"^model\.(?!txt$)", name), names)
        hint = isempty(others) ? "" : "; $(first(others)) is of another language"
        refuse(path, "no such model$hint")
    end
    model = try
        # JLD2 also warns of what it then fails at.
        with_logger(() -> jldopen(file -> file["model"], path), NullLogger())
    catch error  # a damaged file can raise anything
        refuse(path, "can't be read as a model: $(one_line(error))")
    end
    if !(model isa Ensemble) && !hasmethod(apply_tree, (typeof(model), Matrix{Float64}))
        refuse(path, "is a $(typeof(model)), not an iris model")
    end
    return model
end

classify(model::Ensemble, x) = apply_forest(model, x)
classify(model, x) = apply_tree(model, x)

if abspath(PROGRAM_FILE) == @__FILE__
    exit(main(ARGS))
end
