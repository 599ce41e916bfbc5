# Fits a model to iris, checks it by cross-validation, writes the model and its
# summary.
#
# The R trainers differ only in their model. Each has a copy of this file,
# since an image is built from its stage's folder alone; `make copies` writes
# them.

max_folds <- 10

#' Run a trainer's command line and end the program
#'
#' @param title What is fitted.
#' @param package The package that fits it.
#' @param fit A function of a matrix of measurements and a factor of species
#'   that returns a model.
#' @param classify A function of a model and a matrix of measurements that
#'   returns a factor of species.
train_main <- function(title, package, fit, classify) {
  arguments <- parse_arguments(
    paste0("Fits ", title, " to iris flowers."),
    c(
      training = "folder of rows to learn from",
      out = "folder for model.rda, model.txt and metrics.json"
    )
  )
  run(function() {
    data <- read_training(arguments$training)
    folds <- deal_folds(data$species)
    fitted <- tryCatch(
      list(
        model = fit(data$x, data$species),
        predicted = cross_validate(fit, classify, data, folds)
      ),
      error = function(condition) {
        refuse(arguments$training, paste("no model fits:", one_line(condition)))
      }
    )
    model <- fitted$model
    summary <- summarize(title, package, data, folds, fitted$predicted)
    metrics <- measure(table(data$species, fitted$predicted))
    write_files(arguments$out, list(
      model.rda = \(path) save(model, file = path),
      model.txt = \(path) writeLines(summary, path),
      metrics.json = \(path) writeLines(metrics, path)
    ))
  })
}

#' Deal each species' rows out to the folds in turn, like cards
#'
#' So every fold has every species, no randomness is needed, and each language
#' of the workshop measures its models on the same folds. The rarest species
#' limits their number.
#'
#' @param species A factor.
#' @return The number of each row's fold, from 0.
deal_folds <- function(species) {
  n_folds <- min(max_folds, table(species))
  ave(seq_along(species), species, FUN = \(row) (seq_along(row) - 1) %% n_folds)
}

#' Predict each row's species by a model that was fitted without the row's fold
cross_validate <- function(fit, classify, data, folds) {
  predicted <- data$species
  for (fold in unique(folds)) {
    held <- folds == fold
    model <- fit(data$x[!held, ], data$species[!held])
    predicted[held] <- classify(model, data$x[held, , drop = FALSE])
  }
  predicted
}

#' The lines of `model.txt`
summarize <- function(title, package, data, folds, predicted) {
  counts <- table(data$species)
  matrix <- table(data$species, predicted)
  total <- length(predicted)
  right <- sum(data$species == predicted)
  width <- max(nchar(levels(predicted)))
  cells <- rbind(c("", colnames(matrix)), cbind(rownames(matrix), matrix))
  table_lines <- apply(cells, 1, \(row) {
    row |> formatC(width = width) |> paste(collapse = "  ")
  })
  c(
    paste("Model:", title),
    paste("Files:", toString(data$files)),
    sprintf("Rows: %d (%s)", total, toString(paste(names(counts), counts))),
    sprintf("Folds: %d, dealt by species in file order", max(folds) + 1),
    sprintf(
      "Cross-validated accuracy: %.4f (%d of %d)", right / total, right, total
    ),
    paste(
      "Confusion matrix",
      "(a line for each true species, a column for each predicted one):"
    ),
    table_lines,
    "Seed: none, nothing is drawn at random",
    sprintf(
      "Versions: R %s, %s %s", getRversion(), package, packageVersion(package)
    )
  )
}

#' The lines of `metrics.json`: names and numbers, the same in each language
#'
#' @param matrix Counts, a row for each true species, a column for each
#'   predicted one.
measure <- function(matrix) {
  right <- diag(matrix)
  species <- rownames(matrix)
  figures <- c(
    accuracy = sprintf("%.4f", sum(right) / sum(matrix)),
    rows = sprintf("%d", sum(matrix))
  )
  for (name in species) {
    precision <- right[name] / max(sum(matrix[, name]), 1)
    figures[paste("precision of", name)] <- sprintf("%.4f", precision)
    recall <- right[name] / sum(matrix[name, ])
    figures[paste("recall of", name)] <- sprintf("%.4f", recall)
  }
  for (name in species) {
    figures[paste(name, "predicted as", species)] <- sprintf(
      "%d", matrix[name, ]
    )
  }
  lines <- sprintf("  \"%s\": %s", names(figures), figures)
  c("{", paste0(lines, c(rep(",", length(lines) - 1), "")), "}")
}
