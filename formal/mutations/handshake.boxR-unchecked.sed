# keep: I-agrees-A
# I takes phase 4 without opening box_R: no key confirmation.
s/let helloR = open(derive(hs, lBoxR, tr4), tr4, boxR) in/let helloR = boxR in/
