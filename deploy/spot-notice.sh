#!/usr/bin/env bash
# Says in a Ray cluster that this machine is about to go, so that its trials hand over their checkpoints.
#
#   spot-notice.sh aws            # waits until AWS says so of a spot machine, two minutes before
#   spot-notice.sh gcp            # waits until Google says so, 30 s before
#   spot-notice.sh now SECONDS    # says so now, and waits until the seconds are over
#
# It runs on the machine that goes, beside Ray, and needs `ray` on the path.
set -euo pipefail

drain() {
  ray drain-node --reason DRAIN_NODE_REASON_PREEMPTION --reason-message "$1" --deadline-remaining-seconds "$2"
}

aws_says_so() {
  local base=http://169.254.169.254/latest token
  token=$(curl -sfX PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$base/api/token") || return 1
  curl -sf -o /dev/null -H "X-aws-ec2-metadata-token: $token" "$base/meta-data/spot/instance-action"
}

gcp_says_so() {
  local base=http://metadata.google.internal/computeMetadata/v1
  [[ $(curl -sf -H 'Metadata-Flavor: Google' "$base/instance/preempted") == TRUE ]]
}

case "${1:-}" in
  aws)
    until aws_says_so; do sleep 5; done
    drain "the spot machine is taken away" 110
    ;;
  gcp)
    until gcp_says_so; do sleep 1; done
    drain "the spot machine is taken away" 25
    ;;
  now)
    drain "the machine is going" "${2:?so many seconds are left}"
    sleep "$2"
    ;;
  *)
    echo "usage: spot-notice.sh aws | gcp | now SECONDS" >&2
    exit 2
    ;;
esac
