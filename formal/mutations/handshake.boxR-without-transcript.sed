# keep: I-agrees-A
# Key of box_R and associated data hold no transcript. The second line keeps more arguments of a name, which the proof needs here.
s/derive(hs, lBoxR, tr4), tr4, /derive(hs, lBoxR, lBoxR), lBoxR, /
s/new raw\[s, ek, nI\]: key/new raw: key/
