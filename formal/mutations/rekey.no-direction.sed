# keep: take-announce
# One secret for both directions, and no direction in any derivation or announcement.
s/new xR: key;/let xR = xI in/
/event/!s/(cid, dir, /(cid, /g
s/lAnnouncement, cid, dir, /lAnnouncement, cid, /
