# keep: R-agrees-A R-agrees-N
# R does not check sig_I.
/(\* \[sigI\] \*)/d
