# keep: heals-A heals-B
# The robbed side's rekey has no KEM secret.
# (The other direction still heals: its KEM secret is to a key made after the theft.)
s/let x = pbkdf2(rootA, .*, sA) in/let x = pbkdf2nonce(rootA, sA) in/
