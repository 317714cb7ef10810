# keep: take-announce
# The mac does not cover s_k.
/(\* \[auth\] \*)/s/, s[12], /, /
