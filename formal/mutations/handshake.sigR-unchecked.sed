# keep: R-signed-choice secrecy-I privacy-I
# I does not check sig_R.
/(\* \[sigR\] \*)/d
