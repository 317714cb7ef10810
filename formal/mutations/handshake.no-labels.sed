# keep: R-agrees-A I-agrees-A
# The context of a conversation leaves out both labels.
s/start((conversation, addrI, addrR, relay, labelI, labelR))/start((conversation, addrI, addrR, relay))/
