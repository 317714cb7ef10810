# keep: erased-0 erased-1 erased-2
# The receiver keeps root 0 and ratchet key 0.
# (root 0 and ratchet key 0 give x of epoch 1, hence root 1; ratchet key 1 is still held: epoch 2 falls too)
s/phase 1; out(c, (root2, ann1, ann2,/phase 1; out(c, (root0, dk0, root2, ann1, ann2,/
