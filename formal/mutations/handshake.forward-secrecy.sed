# keep: secrecy-I secrecy-R privacy-I
# Not a mutation: the long-term keys of all honest parties leak in phase 1.
s/(\* \[phase 1\] \*)/| (phase 1; out(c, (skA, skN, skS)))/
