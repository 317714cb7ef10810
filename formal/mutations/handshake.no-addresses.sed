# keep: R-agrees-A I-agrees-A
# The context of a conversation leaves out both addresses (ids are still checked, devices are bound by nothing else).
s/start((conversation, addrI, addrR, /start((conversation, /
