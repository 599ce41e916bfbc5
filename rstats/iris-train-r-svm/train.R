# Fits a support vector machine with a radial kernel to iris.

script <- grep("^--file=", commandArgs(), value = TRUE)
folder <- dirname(sub("^--file=", "", script))
source(file.path(folder, "iris.R"))
source(file.path(folder, "training.R"))

train_main(
  title = paste(
    "a support vector machine",
    "(e1071 svm, kernel radial, cost 1, gamma 0.25)"
  ),
  package = "e1071",
  fit = function(x, species) {
    e1071::svm(x, species, kernel = "radial", cost = 1, gamma = 0.25)
  },
  classify = function(model, x) predict(model, x)
)
