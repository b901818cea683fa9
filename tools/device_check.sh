#!/bin/bash
# Runs the device tests on this machine's Hopper GPU, stage by stage, each under its own time limit, and sums up.
#
#   tools/device_check.sh [-b BUILD_DIR] [-o OUT_DIR] [STAGE...]
#
# BUILD_DIR holds device_tests (build/release); OUT_DIR (build/device_check) gets one log per stage and summary.json. Needs the
# driver and NVRTC (FATHOM_NVRTC, a toolkit, or a Python environment with the wheels), nothing else. Kernels are compiled into a
# cache of its own under OUT_DIR. Exits with 1 when a stage failed or timed out, 4 when there is no GPU.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build/release out=$root/build/device_check
while getopts b:o: option; do
  case $option in
    b) build=$OPTARG ;;
    o) out=$OPTARG ;;
    *) sed -n '4,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done
shift $((OPTIND - 1))

# stage, seconds, gtest filter. Order: the cheapest explanation of a failure first.
stages="compile 180 CompileDevice.*
ptx 90 Ptx*:*/Ptx*
oracle 60 OracleDevice.*
sanity 60 SanitizerDevice.*:GroupedSanitizerDevice.*
shapes 150 ShapesDevice.*
configs 150 ConfigsDevice.*
reports 90 DenseReportsDevice.*
layouts 60 LayoutsDevice.*
runtime 90 RuntimeDevice.*
groupedfuzz 90 GroupedFuzzDevice.*
grouped 120 GroupedReportsDevice.*:GroupedPoisonDevice.*:GroupedGraphDevice.*
groupedlarge 120 GroupedLargeDevice.*
quantize 90 QuantizeDevice.*
large 120 LargeDevice.*
hostcost 60 HostCostDevice.*
memcheck 240 SanitizerDevice.*:GroupedSanitizerDevice.*
synccheck 240 SanitizerDevice.*:GroupedSanitizerDevice.*
initcheck 240 SanitizerDevice.*:GroupedSanitizerDevice.*"

[ -x "$build/device_tests" ] || { echo "device_check: $build/device_tests is missing; make test builds it" >&2; exit 2; }
mkdir -p "$out"
rm -f "$out"/*.log "$out"/*.json
export FATHOM_CACHE_DIR=${FATHOM_CACHE_DIR:-$out/cache}
gpu=$(nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.max.sm,power.limit --format=csv,noheader 2>/dev/null | head -1)
[ -n "$gpu" ] || { echo "device_check: nvidia-smi finds no GPU here; the device tests did not run" >&2; exit 4; }
commit=${FATHOM_COMMIT:-$(git -C "$root" describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)}
echo "device_check: commit $commit, GPU $gpu"

# The sanitizer does not run on every virtual machine: what matters is whether the tool or the kernels failed.
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer /opt/nvidia/*/compute-sanitizer 2>/dev/null | head -1)
tool_could_not_run() {
  grep -qE 'Device not supported|could not attach|Unable to (find|launch)|Target application (terminated|returned an error).*before|not supported on this' "$1"
}

run_stage() {  # name seconds filter
  local log=$out/$1.log tests=("$build/device_tests" --summary "$out/$1.summary" "--gtest_filter=$3" --gtest_brief=1)
  case $1 in
    memcheck | synccheck | initcheck)
      [ -n "$sanitizer" ] || { echo "no compute-sanitizer on this machine" > "$log"; return 200; }
      tests=("$sanitizer" --tool "$1" --error-exitcode 9 "${tests[@]}") ;;
  esac
  timeout -k 10 "$2" "${tests[@]}" > "$log" 2>&1
  local code=$?
  [[ $1 == *check ]] && [ $code -ne 0 ] && tool_could_not_run "$log" && return 200
  return $code
}

failed=0 entries=()
printf '%-10s %-10s %6s  %s\n' stage result s "in numbers"
while read -r name seconds filter; do
  [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
  start=$SECONDS
  run_stage "$name" "$seconds" "$filter"
  code=$?
  case $code in
    0) result=passed ;;
    124 | 137) result=timed-out; failed=1 ;;
    200) result=could-not ;;
    *) result=failed; failed=1 ;;
  esac
  took=$((SECONDS - start))
  printf '%-10s %-10s %6d  %s\n' "$name" "$result" "$took" "$(tail -1 "$out/$name.log" | cut -c1-400)"
  [ $result = passed ] || grep -E -m 5 -A 4 'Failure|ERROR|========= [A-Z]|rror:' "$out/$name.log" | cut -c1-600 | sed 's/^/    /'
  entries+=("{\"stage\": \"$name\", \"result\": \"$result\", \"exit\": $code, \"seconds\": $took, \"found\": $(cat "$out/$name.summary" 2>/dev/null || echo null)}")
done <<< "$stages"

{ printf '{"commit": "%s", "gpu": "%s", "command": "tools/device_check.sh %s", "stages": [\n' "$commit" "$gpu" "$*"
  (IFS=$'\n'; printf '%s\n' "${entries[*]}" | sed '$!s/$/,/')
  echo ']}'; } > "$out/summary.json"
rm -f "$out"/*.summary
after=$(nvidia-smi --query-gpu=clocks.sm,temperature.gpu --format=csv,noheader 2>/dev/null | head -1)
echo "device_check: $([ $failed = 0 ] && echo all passed || echo FAILED); clocks and temperature after: $after; $out/summary.json"
exit $failed
