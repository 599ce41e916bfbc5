# Installs the packages of packages.tsv (name, version and repository, by
# tabs) into a library, the only argument: each in its version, in an order in
# which each finds what it needs.

options(warn = 1, timeout = max(300, getOption("timeout")))

fail <- function(package, ...) {
  message("Error: ", package$name, " ", package$version, " ", ...)
  quit(status = 1)
}

# Gets the source of a package into a folder. The newest version is in another
# place of a repository than all others.
fetch <- function(package, folder) {
  cat("Getting", package$name, package$version, "\n")
  file <- paste0(package$name, "_", package$version, ".tar.gz")
  places <- c(".", file.path("Archive", package$name))
  below <- file.path("src", "contrib", places)
  for (url in file.path(sub("/$", "", package$repository), below, file)) {
    code <- tryCatch(
      suppressWarnings(
        download.file(url, file.path(folder, file), quiet = TRUE, mode = "wb")
      ),
      error = function(e) 1
    )
    if (code == 0) {
      return()
    }
  }
  fail(package, "can't be had from ", package$repository)
}

main <- function(library_folder) {
  table <- read.delim(
    "packages.tsv",
    header = FALSE, col.names = c("name", "version", "repository"),
    colClasses = "character"
  )
  packages <- split(table, seq_len(nrow(table)))
  sources <- file.path("src", "contrib")
  dir.create(sources, recursive = TRUE)
  for (package in packages) {
    fetch(package, sources)
  }
  tools::write_PACKAGES(sources, type = "source")
  install.packages(
    table$name,
    lib = library_folder, repos = paste0("file://", getwd()),
    type = "source", quiet = TRUE
  )
  for (package in packages) {
    found <- tryCatch(
      packageVersion(package$name, lib.loc = library_folder),
      error = function(e) NULL
    )
    if (is.null(found) || found != package_version(package$version)) {
      fail(package, "can't be installed")
    }
  }
}

main(commandArgs(trailingOnly = TRUE)[[1]])
