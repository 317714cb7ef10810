# keep: R-agrees-A I-agrees-A I-agrees-S R-agrees-N reach-conversation reach-kci
# Not a mutation: the attacker holds N's long-term key from the start; A and S stay honest and deal with N, N with them.
/^not attacker(skN)/d
s/insert trustsR(strong, spk(skN), secretI, nameI);//
s/; insert trustsI(strong, spk(skN), secretR)//
s/^  out(c, (spk(skA)/  out(c, skN);\n&/
