# What the R stages share: rows in, files out, errors in one line.
#
# Each R stage folder has a copy, since an image is built from its stage's
# folder alone; a test keeps the copies equal.

measurements <- c("sepal length", "sepal width", "petal length", "petal width")
species_names <- c("Iris-setosa", "Iris-versicolor", "Iris-virginica")
model_file <- "model.rda"
# So that every species has two rows left to be fitted when cross-validation
# holds one out.
min_rows <- 3

# What every language of the workshop takes for a number; as.numeric() takes
# "0x1F" and "NaN" too.
number_pattern <- "^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?$"

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
#' The exit code is 1 after an error, which is told in one line.
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

files_below <- function(folder) {
  if (!dir.exists(folder)) {
    refuse(folder, "no such folder")
  }
  files <- list.files(folder, all.files = TRUE, recursive = TRUE)
  if (!length(files)) {
    refuse(folder, "holds no file")
  }
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
    expected <- toString(species_names)
    why <- sprintf("not '%s'", labels[unknown[1]])
    why <- sprintf("species must be one of %s, %s", expected, why)
    refuse(paste0(path, ":", unknown[1]), why)
  }
  list(x = x, labels = labels)
}

# A matrix of strings; empty lines may only come last.
read_fields <- function(path, columns) {
  lines <- read_lines(path)
  empty <- which(!nzchar(trimws(lines)))
  if (length(empty)) {
    refuse(paste0(path, ":", empty[1]), "empty line between rows")
  }
  # The comma that is put last keeps strsplit() from dropping an empty field.
  fields <- paste0(lines, ",") |>
    strsplit(",", fixed = TRUE) |>
    lapply(trimws)
  if (!any(grepl(number_pattern, fields[[1]]))) {
    why <- "is no row of numbers; files must have no header line"
    refuse(paste0(path, ":1"), why)
  }
  wrong <- which(lengths(fields) != columns)
  if (length(wrong)) {
    has <- length(fields[[wrong[1]]])
    why <- sprintf("%d columns; there must be %d", has, columns)
    refuse(paste0(path, ":", wrong[1]), why)
  }
  do.call(rbind, fields)
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
    why <- sprintf("%s must be a number, not '%s'", name, field)
    refuse(paste0(path, ":", first[["row"]]), why)
  }
  colnames(x) <- sub(" ", "_", measurements)
  x
}
