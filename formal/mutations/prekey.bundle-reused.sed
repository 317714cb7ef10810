# keep: prekey-injective
# A bundle's secret is used for more than one arrival.
s/^      in(c, (e: bitstring, box/      !in(c, (e: bitstring, box/
