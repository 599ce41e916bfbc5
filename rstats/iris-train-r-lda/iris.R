# Code that the R stages share: rows in, files out, errors in one line.
#
# Each R stage folder has a copy, since an image is built from its stage's
# folder alone; `make copies` writes them.

measurements <- c("sepal length", "sepal width", "petal length", "petal width")
species_names <- c("Iris-setosa", "Iris-versicolor", "Iris-virginica")
model_file <- "model.rda"
# Leaves each species two rows to fit when cross-validation holds one out.
min_rows <- 3

# A number in every language of the workshop; as.numeric() also accepts "0x1F"
# and "NaN".
number_pattern <- "^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?$"
quotes <- "^[\"']+|[\"']+$"

#' Read the command line
#'
#' Ends the program after `--help` (0) or a wrong command line (2).
#'
#' @param description What the program does, in one sentence.
#' @param folders A character vector: what each argument is, named by it.
#' @return A list of the arguments, by name.
parse_arguments <- function(description, folders) {
  arguments <- commandArgs(trailingOnly = TRUE)
  usage <- paste("usage:", script_name(), paste(names(folders), collapse = " "))
  if (any(arguments %in% c("-h", "--help"))) {
    details <- sprintf("  %-12s %s", names(folders), folders)
    writeLines(c(usage, "", description, "", details))
    quit(save = "no", status = 0)
  }
  if (length(arguments) != length(folders)) {
    message(usage)
    quit(save = "no", status = 2)
  }
  arguments |> as.list() |> setNames(names(folders))
}

#' Run a stage and end the program
#'
#' The exit code is 1 after an error, which is reported in one line.
#'
#' @param stage A function without arguments.
run <- function(stage) {
  status <- tryCatch(
    {
      stage()
      0
    },
    error = function(condition) {
      message(script_name(), ": ", one_line(condition))
      1
    }
  )
  quit(save = "no", status = status)
}

#' Read labelled rows
#'
#' @param folder A folder; every file below it is read, in sorted order.
#' @return A list: `x`, a matrix of a row for each flower and a column for each
#'   measurement, in cm; `species`, a factor; `files`, their names.
read_training <- function(folder) {
  files <- files_below(folder)
  if (!length(files)) {
    refuse(folder, "holds no file")
  }
  fields <- lapply(file.path(folder, files), read_labelled)
  x <- do.call(rbind, lapply(fields, `[[`, "x"))
  labels <- unlist(lapply(fields, `[[`, "labels"))
  species <- factor(labels, intersect(species_names, labels))
  if (nlevels(species) < 2) {
    only <- paste("all rows are", levels(species))
    refuse(folder, paste0(only, "; there must be at least 2 species"))
  }
  counts <- table(species)
  rare <- names(counts)[counts < min_rows]
  if (length(rare)) {
    has <- sprintf("%s has %d rows", rare[1], counts[[rare[1]]])
    needs <- sprintf("each species must have at least %d", min_rows)
    refuse(folder, paste0(has, "; ", needs))
  }
  list(x = x, species = species, files = files)
}

#' Read rows to classify
#'
#' @param folder A folder; every file below it is read.
#' @return A list of matrices as in [read_training()], by the file's name
#'   relative to the folder.
read_attributes <- function(folder) {
  files <- files_below(folder)
  if (!length(list.files(folder, all.files = TRUE, no.. = TRUE))) {
    refuse(folder, "holds no file")
  }
  paths <- file.path(folder, files)
  columns <- length(measurements)
  paths |>
    lapply(\(path) read_fields(path, columns) |> read_measurements(path)) |>
    setNames(files)
}

#' Write all files or none of them
#'
#' @param folder The folder, made if it does not exist.
#' @param writers A list of functions that write to a path, by the file's name
#'   relative to the folder.
write_files <- function(folder, writers) {
  paths <- file.path(folder, names(writers))
  partial <- file.path(dirname(paths), paste0(".", basename(paths), ".partial"))
  written <- character()
  done <- FALSE
  on.exit(if (!done) unlink(written))
  for (parent in unique(dirname(paths))) {
    dir.create(parent, showWarnings = FALSE, recursive = TRUE)
    if (!dir.exists(parent)) {
      refuse(parent, "can't be made a folder")
    }
  }
  for (i in seq_along(writers)) {
    written <- c(written, partial[i])
    writers[[i]](partial[i])
  }
  for (i in seq_along(writers)) {
    if (!suppressWarnings(file.rename(partial[i], paths[i]))) {
      refuse(paths[i], "can't be written")
    }
    written <- c(written, paths[i])
  }
  done <- TRUE
}

#' Stop with an error that says where and why
refuse <- function(where, why) {
  stop(where, ": ", why, call. = FALSE)
}

#' The first line of an error's message
one_line <- function(condition) {
  strsplit(conditionMessage(condition), "\n", fixed = TRUE)[[1]][1]
}

script_name <- function() {
  pattern <- "^--file="
  arguments <- commandArgs(trailingOnly = FALSE)
  basename(sub(pattern, "", grep(pattern, arguments, value = TRUE)[1]))
}

# The files below a folder, except hidden ones such as `.DS_Store`.
files_below <- function(folder) {
  if (!dir.exists(folder)) {
    refuse(folder, "no such folder")
  }
  files <- list.files(folder, recursive = TRUE)
  files <- files[!grepl("(^|/)[.]", files)]
  # The radix method sorts by bytes, whatever the locale.
  sort(files, method = "radix")
}

read_labelled <- function(path) {
  columns <- length(measurements) + 1
  fields <- read_fields(path, columns)
  x <- read_measurements(fields, path)
  labels <- fields[, columns]
  unknown <- which(!labels %in% species_names)
  if (length(unknown)) {
    label <- labels[unknown[1]]
    expected <- toString(species_names)
    if (gsub(quotes, "", label) %in% species_names) {
      expected <- paste(expected, "without quotes")
    }
    why <- sprintf("species must be one of %s, not '%s'", expected, label)
    refuse(paste0(path, ":", unknown[1]), why)
  }
  list(x = x, labels = labels)
}

# A matrix of strings; empty lines may only come last.
read_fields <- function(path, columns) {
  lines <- read_lines(path)
  # The added last comma keeps strsplit() from dropping an empty field.
  fields <- paste0(lines, ",") |>
    strsplit(",", fixed = TRUE) |>
    lapply(trimws)
  wrong <- lengths(fields) != columns
  wrong[1] <- wrong[1] || !has_number(fields[[1]])
  if (any(wrong)) {
    first <- which(wrong)[1]
    why <- no_row(lines[first], fields[[first]], first, columns)
    refuse(paste0(path, ":", first), why)
  }
  do.call(rbind, fields)
}

has_number <- function(fields) {
  any(grepl(number_pattern, gsub(quotes, "", fields)))
}

# Why a line isn't a row.
no_row <- function(line, fields, number, columns) {
  if (!nzchar(trimws(line))) {
    return("empty line between rows")
  }
  if (grepl(";", line, fixed = TRUE)) {
    decimals <- if (length(fields) > 1) " and decimals by points" else ""
    example <- ", as in 5.1,3.5,1.4,0.2"
    return(paste0("columns must be separated by commas", decimals, example))
  }
  if (number == 1 && !has_number(fields)) {
    return("is not a row of numbers; files must have no header line")
  }
  why <- sprintf("%d columns; there must be %d", length(fields), columns)
  if (length(fields) == columns + 4) {
    why <- paste0(why, "; decimals must have a point, not a comma")
  }
  why
}

read_lines <- function(path) {
  bytes <- readBin(path, "raw", file.size(path))
  # A byte order mark and \r\n are what spreadsheets on Windows write.
  mark <- as.raw(c(0xef, 0xbb, 0xbf))
  if (identical(head(bytes, 3), mark)) {
    bytes <- tail(bytes, -3)
  }
  if (any(bytes == 0) || !validUTF8(rawToChar(bytes))) {
    refuse(path, "is not UTF-8 text")
  }
  text <- trimws(rawToChar(bytes), "right")
  if (!nzchar(text)) {
    refuse(path, "is empty")
  }
  strsplit(text, "\n", fixed = TRUE)[[1]]
}

read_measurements <- function(fields, path) {
  fields <- fields[, seq_along(measurements), drop = FALSE]
  is_number <- grepl(number_pattern, fields)
  x <- matrix(NA_real_, nrow(fields), ncol(fields))
  x[is_number] <- as.numeric(fields[is_number])
  bad <- which(!is.finite(x), arr.ind = TRUE)
  if (nrow(bad)) {
    first <- bad[order(bad[, "row"], bad[, "col"])[1], ]
    name <- measurements[first[["col"]]]
    field <- fields[first[["row"]], first[["col"]]]
    bare <- gsub(quotes, "", field)
    quoted <- if (bare != field && grepl(number_pattern, bare)) {
      " without quotes"
    } else {
      ""
    }
    why <- sprintf("%s must be a number%s, not '%s'", name, quoted, field)
    refuse(paste0(path, ":", first[["row"]]), why)
  }
  colnames(x) <- sub(" ", "_", measurements)
  x
}
