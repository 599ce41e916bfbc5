# Fits a model to iris, checks it by cross-validation, writes the model and its summary.
#
# The Julia trainers differ only in their model. Each has a copy of this file, since an
# image is built from its stage's folder alone; `make copies` writes them.

using DecisionTree
using JLD2
using Printf

const MAX_FOLDS = 10
const SEED = 1936

"""
    main(title, fit, classify, args) -> Int

Run a trainer's command line and return its exit code. `fit` makes a model of labels and an
(n_rows, 4) matrix, `classify` a vector of labels of a model and such a matrix.
"""
function main(title, fit, classify, args)
    arguments = [
        "training" => "folder of rows to learn from",
        "out" => "folder for model.jld2, model.txt and metrics.json",
    ]
    return run_stage("Fits $title to iris flowers.", arguments, args) do training, out
        x, labels, files = read_training(training)
        model = fit(labels, x)
        folds = deal_folds(labels)
        predicted = cross_validate(fit, classify, labels, x, folds)
        summary = summarize(title, files, folds, labels, predicted)
        write_files(
            out,
            [
                MODEL_FILE => path -> jldopen(file -> file["model"] = model, path, "w"),
                "model.txt" => path -> write(path, summary),
                "metrics.json" => path -> write(path, measure(labels, predicted)),
            ],
        )
    end
end

"""
    deal_folds(labels) -> Vector{Int}

Deal each species' rows out to the folds in turn, like cards: so every fold has every
species, no randomness is needed, and each language of the workshop measures its models on
the same folds. The rarest species limits their number.
"""
function deal_folds(labels)
    n_folds = min(MAX_FOLDS, minimum(count(==(name), labels) for name in unique(labels)))
    seen = Dict(name => 0 for name in labels)
    return map(labels) do name
        mod1(seen[name] += 1, n_folds)
    end
end

"Predict each row's species by a model that was fitted without the row's fold."
function cross_validate(fit, classify, labels, x, folds)
    predicted = similar(labels)
    for fold in unique(folds)
        held = folds .== fold
        predicted[held] = classify(fit(labels[.!held], x[.!held, :]), x[held, :])
    end
    return predicted
end

"The text of `model.txt`."
function summarize(title, files, folds, labels, predicted)
    species = sort(unique(labels))
    total = length(labels)
    right = count(labels .== predicted)
    counts = ["$name $(count(==(name), labels))" for name in species]
    table = [vcat("", species)]
    for name in species
        cells = [count((labels .== name) .& (predicted .== other)) for other in species]
        push!(table, vcat(name, string.(cells)))
    end
    width = maximum(length, species)
    return """
        Model: $title
        Files: $(join(files, ", "))
        Rows: $total ($(join(counts, ", ")))
        Folds: $(maximum(folds)), dealt by species in file order
        Cross-validated accuracy: $(@sprintf("%.4f", right / total)) ($right of $total)
        Confusion matrix (a line for each true species, a column for each predicted one):
        $(join((join(lpad.(cells, width), "  ") for cells in table), "\n"))
        Seed: $SEED
        Versions: Julia $VERSION, $(join(version.((DecisionTree, JLD2)), ", "))
        """
end

"The text of `metrics.json`: names and numbers, the same in each language."
function measure(labels, predicted)
    species = sort(unique(labels))
    share(part, whole) = @sprintf("%.4f", part / max(whole, 1))
    figures = ["accuracy" => share(count(labels .== predicted), length(labels))]
    push!(figures, "rows" => string(length(labels)))
    for name in species
        right = count((labels .== name) .& (predicted .== name))
        push!(figures, "precision of $name" => share(right, count(predicted .== name)))
        push!(figures, "recall of $name" => share(right, count(labels .== name)))
    end
    for name in species, other in species
        both = count((labels .== name) .& (predicted .== other))
        push!(figures, "$name predicted as $other" => string(both))
    end
    lines = join(("  \"$name\": $figure" for (name, figure) in figures), ",\n")
    return "{\n$lines\n}\n"
end

"A package's name and version; pkgversion() came with Julia 1.9."
function version(package)
    project = joinpath(dirname(dirname(pathof(package))), "Project.toml")
    number = match(r"^version *= *\"(.+)\""m, read(project, String))[1]
    return "$package $number"
end
