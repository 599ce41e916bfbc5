# Fits a linear discriminant analysis to iris.

script <- grep("^--file=", commandArgs(), value = TRUE)
folder <- dirname(sub("^--file=", "", script))
source(file.path(folder, "iris.R"))
source(file.path(folder, "training.R"))

train_main(
  title = "a linear discriminant analysis (MASS lda, method moment)",
  package = "MASS",
  fit = function(x, species) MASS::lda(x, species, method = "moment"),
  classify = function(model, x) predict(model, x)$class
)
