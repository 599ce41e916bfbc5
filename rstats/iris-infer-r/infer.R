# Predicts the species of flowers: a line for each row of measurements.

script <- grep("^--file=", commandArgs(), value = TRUE)
folder <- dirname(sub("^--file=", "", script))
source(file.path(folder, "iris.R"))

#' Read the model that an R trainer wrote
#'
#' @param folder The folder that holds it.
#' @return A function of a matrix of measurements that returns a factor.
load_model <- function(folder) {
  path <- file.path(folder, model_file)
  if (!file.exists(path)) {
    others <- list.files(folder, "^model[.]") |> setdiff("model.txt")
    hint <- sprintf("; %s is of another language", head(others, 1))
    refuse(path, paste0("no such model", hint))
  }
  read <- new.env()
  tryCatch(
    suppressWarnings(load(path, read)),
    error = function(condition) {
      refuse(path, paste("can't be read as a model:", one_line(condition)))
    }
  )
  model <- read$model
  if (is_model(model, "svm", model$levels, ncol(model$SV))) {
    loadNamespace("e1071")
    \(x) predict(model, x)
  } else if (is_model(model, "lda", model$lev, ncol(model$means))) {
    loadNamespace("MASS")
    \(x) predict(model, x)$class
  } else {
    refuse(path, sprintf("is a %s, not an iris model", class(model)[1]))
  }
}

is_model <- function(model, class, levels, columns) {
  inherits(model, class) && all(levels %in% species_names) &&
    identical(columns, length(measurements))
}

arguments <- parse_arguments(
  "Predicts the species of flowers: a line for each row of measurements.",
  c(
    model = "folder that holds model.rda",
    attributes = "folder of files to classify",
    out = "folder for the answers, files of the same names"
  )
)
run(function() {
  flowers <- read_attributes(arguments$attributes)
  classify <- load_model(arguments$model)
  species <- lapply(flowers, classify)
  writers <- lapply(species, \(names) {
    \(path) writeLines(as.character(names), path)
  })
  write_files(arguments$out, writers)
})
