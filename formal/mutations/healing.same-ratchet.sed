# keep: heals-A heals-B
# The robbed side announces its old ratchet key again instead of a fresh one.
s/new dkA2: ksk;/let dkA2 = dkA in/
