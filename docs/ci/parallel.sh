#!/bin/sh
# GNU parallel: the hosts that are named, one shard at a time on each; what they ran is fetched, and joined here. Each host has the
# harness, QEMU and the pack, which `harness pack quick -o quick.pack` made.
#
#	HOSTS=alpha,beta,gamma SHARDS=12 ./parallel.sh
set -eu
: "${HOSTS:=:}" "${SHARDS:=4}" "${PACK:=quick.pack}"
seq "$SHARDS" | parallel --sshlogin "$HOSTS" --jobs 1 --transferfile "$PACK" --return shards/{} --cleanup \
	"harness run --pack $PACK --suite quick --trials 320 --seed 20261123 --shard auto/$SHARDS --results shards/{} || [ \$? -eq 1 ]"
harness merge shards/*/2*-* --html report.html
