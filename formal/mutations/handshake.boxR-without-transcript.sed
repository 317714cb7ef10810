# keep: I-agrees-A
# Key of box_R and associated data hold no transcript.
s/derive(hs, lBoxR, tr4), tr4, /derive(hs, lBoxR, lBoxR), lBoxR, /
