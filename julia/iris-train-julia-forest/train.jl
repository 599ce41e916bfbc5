# Fits a random forest to iris.

# The packages of this folder's Project.toml, from wherever the stage is run, unless pachlocal has
# installed them as a project of its own.
haskey(ENV, "JULIA_PROJECT") || pushfirst!(LOAD_PATH, @__DIR__)

using DecisionTree

include("iris.jl")
include("training.jl")

const TITLE = "a random forest (DecisionTree.jl, 100 trees, depth 6 at most)"

function fit(labels, x)
    n_subfeatures, n_trees, partial_sampling, max_depth = 2, 100, 0.7, 6
    return build_forest(
        labels, x, n_subfeatures, n_trees, partial_sampling, max_depth; rng=SEED
    )
end

if abspath(PROGRAM_FILE) == @__FILE__
    exit(main(TITLE, fit, apply_forest, ARGS))
end
