# Fits a decision tree to iris.

# The packages of this folder's Project.toml, from wherever the stage is run, unless pachlocal has
# installed them as a project of its own.
haskey(ENV, "JULIA_PROJECT") || pushfirst!(LOAD_PATH, @__DIR__)

using DecisionTree
using Random

include("iris.jl")
include("training.jl")

const TITLE = "a decision tree (DecisionTree.jl, depth 6 at most, pruned at purity 0.9)"

function fit(labels, x)
    n_subfeatures, max_depth = 0, 6
    tree = build_tree(labels, x, n_subfeatures, max_depth; rng=MersenneTwister(SEED))
    return prune_tree(tree, 0.9)
end

if abspath(PROGRAM_FILE) == @__FILE__
    exit(main(TITLE, fit, apply_tree, ARGS))
end
