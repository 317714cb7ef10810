# keep: I-agrees-A
# Both boxes under one label and over tr3: box_I passes for box_R.
s/derive(hs, lBoxR, tr4), tr4, /derive(hs, lBoxI, tr3), tr3, /
