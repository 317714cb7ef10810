# keep: erased-0 erased-1 erased-2
# The first chain key follows from the root instead of x.
s/let chain\([012]\) = derive(x[012], /let chain\1 = derive(root\1, /
