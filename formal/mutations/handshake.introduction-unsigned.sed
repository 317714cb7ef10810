# keep: weak-R-agrees-A weak-R-agrees-introduction
# sig_I covers the credential alone, as in an earlier draft: with a broken KEM name and parameters can be changed.
s/let trI = absorb(tr3, (credI, prm)) in /let trI = absorb(tr3, credI) in /
s/let trI = absorb(tr3, (credI, hello)) in /let trI = absorb(tr3, credI) in /
