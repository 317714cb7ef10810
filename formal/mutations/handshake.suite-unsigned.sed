# keep: R-signed-choice no-downgrade
# sig_R does not cover the suite.
s/let trR = absorb(tr1, core)/let trR = absorb(tr1, (v1, nR, ek, credR))/
