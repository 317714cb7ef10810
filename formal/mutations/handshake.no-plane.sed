# keep: plane-signature relay-not-person-R
# No plane in the context, and a relay's kind is accepted from a responder in a conversation.
s/start((conversation, addrI, addrR, relay, labelI, labelR))/start(textHop)/
s/keyOfR(hop, relayIdOf(k), cred(kRelay, k)) = k\./keyOfR(hop, relayIdOf(k), cred(kRelay, k)) = k; forall k: pkey; keyOfR(conversation, idOf(kRelay, k), cred(kRelay, k)) = k./
