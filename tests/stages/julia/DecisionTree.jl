"""
Stands in for DecisionTree.jl: the calls that the stages make, answered by the species whose mean
flower is nearest.
"""
module DecisionTree

export Ensemble, apply_forest, apply_tree, build_forest, build_tree, prune_tree

struct Tree
    means::Dict{String,Vector{Float64}}
end

struct Ensemble
    tree::Tree
end

function build_tree(labels, x, n_subfeatures, max_depth; rng)
    mean(rows) = vec(sum(x[rows, :]; dims=1)) / count(rows)
    return Tree(Dict(name => mean(labels .== name) for name in unique(labels)))
end

prune_tree(tree::Tree, purity) = tree

apply_tree(tree::Tree, x::AbstractMatrix) = [nearest(tree, row) for row in eachrow(x)]

function nearest(tree, flower)
    names = sort(collect(keys(tree.means)))
    return names[argmin([sum(abs2, tree.means[name] - flower) for name in names])]
end

function build_forest(labels, x, n_subfeatures, n_trees, partial_sampling, max_depth; rng)
    return Ensemble(build_tree(labels, x, n_subfeatures, max_depth; rng=rng))
end

apply_forest(forest::Ensemble, x) = apply_tree(forest.tree, x)

end
