# keep: not-own-id
# Nobody refuses its own id as the peer's.
/(\* \[own\] \*)/d
