# keep: take-announce
# One announcement key for all epochs, and no epoch in what it authenticates.
s/hmac(ann1, /hmac(ann0, /
/(\* \[auth\] \*)/s/dir, e[12], (n[01], /dir, (/
