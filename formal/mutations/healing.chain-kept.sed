# keep: past
# The old chain key is not erased.
s/let chainA = derive(chainA0, lNext, e1) in/let chainA = chainA0 in/
