# keep: take-announce
# The receiver does not check the announcement's mac.
/(\* \[check\] \*)/d
