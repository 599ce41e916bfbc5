# Code that the Julia stages share: rows in, files out, errors in one line.
#
# Each Julia stage folder has a copy, since an image is built from its stage's folder alone;
# `make copies` writes them.

const MEASUREMENTS = ("sepal length", "sepal width", "petal length", "petal width")
const SPECIES = ("Iris-setosa", "Iris-versicolor", "Iris-virginica")
const MODEL_FILE = "model.jld2"
# Leaves each species two rows to fit when cross-validation holds one out.
const MIN_ROWS = 3

# A number in every language of the workshop; tryparse() also accepts "0x1F".
const NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
const QUOTES = ['"', '\'']

"The input can't be used; the message says where and why, in one line."
struct InputError <: Exception
    message::String
end

refuse(where, why) = throw(InputError("$where: $why"))

"""
    run_stage(stage, description, arguments, args) -> Int

Calls `stage` with `args`, the words of the command line, and returns the exit code: 1 after
an error that a person can act on, 2 after a wrong command line. `arguments` tells what each
word is, as pairs of a name and a help text.
"""
function run_stage(stage, description, arguments, args)
    usage = "usage: $(basename(PROGRAM_FILE)) $(join(first.(arguments), " "))"
    if any(in(("-h", "--help")), args)
        println(usage, "\n\n", description, "\n")
        foreach(((name, help),) -> println("  ", rpad(name, 12), " ", help), arguments)
        return 0
    elseif length(args) != length(arguments)
        println(stderr, usage)
        return 2
    end
    try
        stage(args...)
    catch error
        error isa Union{InputError,SystemError,Base.IOError} || rethrow()
        println(stderr, basename(PROGRAM_FILE), ": ", one_line(error))
        return 1
    end
    return 0
end

"""
    read_training(folder) -> (x, labels, files)

Read the labelled rows of every file below `folder`, files in sorted order: `x` is an
(n_rows, 4) matrix in cm, `labels` has a species for each row.
"""
function read_training(folder)
    files = files_below(folder)
    isempty(files) && refuse(folder, "holds no file")
    x = zeros(0, length(MEASUREMENTS))
    labels = String[]
    for file in files
        path = joinpath(folder, file)
        fields = read_fields(path, length(MEASUREMENTS) + 1)
        x = vcat(x, read_measurements(path, fields))
        append!(labels, read_species(path, fields))
    end
    species = unique(labels)
    if length(species) < 2
        refuse(folder, "all rows are $(species[1]); there must be at least 2 species")
    end
    for name in sort(species)
        n_rows = count(==(name), labels)
        if n_rows < MIN_ROWS
            why = "$name has $n_rows rows; each species must have at least $MIN_ROWS"
            refuse(folder, why)
        end
    end
    return x, labels, files
end

"""
    read_attributes(folder) -> Vector{Pair{String,Matrix{Float64}}}

Read the rows, in cm, of every file below `folder`, by the file's relative path.
"""
function read_attributes(folder)
    files = files_below(folder)
    isempty(readdir(folder)) && refuse(folder, "holds no file")
    return map(files) do file
        path = joinpath(folder, file)
        file => read_measurements(path, read_fields(path, length(MEASUREMENTS)))
    end
end

"""
    write_files(folder, writers)

Write all files or none of them. `writers` are pairs of a path relative to `folder` and a
function that writes to a path.
"""
function write_files(folder, writers)
    written = String[]
    try
        for (name, writer) in writers
            path = joinpath(folder, name)
            mkpath(dirname(path))
            push!(written, partial(path))
            writer(partial(path))
        end
        for (name, _) in writers
            path = joinpath(folder, name)
            # mv() would remove the folder and all that is in it.
            isdir(path) && refuse(path, "is a folder")
            mv(partial(path), path; force=true)
            push!(written, path)
        end
    catch
        foreach(path -> rm(path; force=true), written)
        rethrow()
    end
    return nothing
end

partial(path) = joinpath(dirname(path), ".$(basename(path)).partial")

"The first line of what an error says."
one_line(error::InputError) = error.message
one_line(error) = first(split(sprint(showerror, error), '\n'))

"The files below a folder, except hidden ones such as `.DS_Store`."
function files_below(folder)
    isdir(folder) || refuse(folder, "no such folder")
    files = String[]
    for (root, _, names) in walkdir(folder)
        paths = filter(isfile, joinpath.(root, names))
        append!(files, relpath.(paths, folder))
    end
    return sort(filter(file -> !occursin(r"(^|/)\.", file), files))
end

"An (n_rows, columns) matrix of strings; empty lines may only come last."
function read_fields(path, columns)
    text = read(path, String)
    isvalid(text) || refuse(path, "is not UTF-8 text")
    # A byte order mark and \r\n are what spreadsheets on Windows write.
    text = rstrip(replace(text, r"^\ufeff" => ""))
    isempty(text) && refuse(path, "is empty")
    lines = split(text, '\n')
    fields = Matrix{String}(undef, length(lines), columns)
    for (number, line) in enumerate(lines)
        row = strip.(split(line, ','))
        if length(row) != columns || (number == 1 && !has_number(row))
            refuse("$path:$number", no_row(line, row, number, columns))
        end
        fields[number, :] = row
    end
    return fields
end

has_number(row) = any(field -> occursin(NUMBER, strip(field, QUOTES)), row)

"Why a line isn't a row."
function no_row(line, row, number, columns)
    isempty(strip(line)) && return "empty line between rows"
    if occursin(';', line)
        decimals = length(row) > 1 ? " and decimals by points" : ""
        return "columns must be separated by commas$decimals, as in 5.1,3.5,1.4,0.2"
    elseif number == 1 && !has_number(row)
        return "is not a row of numbers; files must have no header line"
    end
    hint = length(row) == columns + 4 ? "; decimals must have a point, not a comma" : ""
    return "$(length(row)) columns; there must be $columns$hint"
end

function read_measurements(path, fields)
    x = Matrix{Float64}(undef, size(fields, 1), length(MEASUREMENTS))
    for row in axes(x, 1), column in axes(x, 2)
        field = fields[row, column]
        value = occursin(NUMBER, field) ? tryparse(Float64, field) : nothing
        if value === nothing || !isfinite(value)
            bare = strip(field, QUOTES)
            quoted = bare != field && occursin(NUMBER, bare) ? " without quotes" : ""
            why = "$(MEASUREMENTS[column]) must be a number$quoted, not '$field'"
            refuse("$path:$row", why)
        end
        x[row, column] = value
    end
    return x
end

function read_species(path, fields)
    labels = fields[:, end]
    row = findfirst(!in(SPECIES), labels)
    if row !== nothing
        quoted = strip(labels[row], QUOTES) in SPECIES ? " without quotes" : ""
        why = "species must be one of $(join(SPECIES, ", "))$quoted, not '$(labels[row])'"
        refuse("$path:$row", why)
    end
    return labels
end
