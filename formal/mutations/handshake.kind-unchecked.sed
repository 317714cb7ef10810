# keep: plane-signature relay-not-person-R
# A relay's kind is accepted from a responder in a conversation; the plane is still in the context.
s/keyOfR(hop, relayIdOf(k), cred(kRelay, k)) = k\./keyOfR(hop, relayIdOf(k), cred(kRelay, k)) = k; forall k: pkey; keyOfR(conversation, idOf(kRelay, k), cred(kRelay, k)) = k./
