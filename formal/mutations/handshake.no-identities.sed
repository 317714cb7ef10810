# keep: misbinding
# Neither context nor transcript holds the responder's identity: the classic unknown key share.
s/start((conversation, addrI, addrR, /start((conversation, /
s/let trR = absorb(tr1, core)/let trR = absorb(tr1, (v1, nR, s, ek))/
s/let tr2 = absorb(trR, body2)/let tr2 = trR/
