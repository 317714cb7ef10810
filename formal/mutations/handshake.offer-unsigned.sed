# keep: no-downgrade R-signed-choice
# The transcript absorbs only the nonce of body 1, not the offer.
s/let tr1 = absorb(tr0, body1)/let tr1 = absorb(tr0, nI)/
