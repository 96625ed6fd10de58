package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// BenchmarkStart is what a run costs before it does anything, and on the sample:
// medians of b.N runs, wall and processor time. BENCH_BESIDE names another build,
// such as an older one, that is run in turns. The load of the machine is reported,
// since more than there are processors makes the times worthless.
func BenchmarkStart(b *testing.B) {
	programs := map[string]string{"this": build(b)}
	if beside := os.Getenv("BENCH_BESIDE"); beside != "" {
		programs["beside"] = beside
	}
	for name, args := range map[string][]string{
		"version": {"version"},
		"images":  {"images", "v1.27.2", "--mirror", sample + "/mirror", "--trusted-root", sample + "/trusted_root.json"},
	} {
		b.Run(name, func(b *testing.B) {
			wall, cpu := map[string][]float64{}, map[string][]float64{}
			for range b.N {
				for which, program := range programs {
					cmd := exec.Command(program, args...)
					cmd.Env = []string{"XDG_CACHE_HOME=" + b.TempDir()}
					from := time.Now()
					if out, err := cmd.CombinedOutput(); err != nil {
						b.Fatalf("%s: %v\n%s", program, err, out)
					}
					wall[which] = append(wall[which], time.Since(from).Seconds()*1000)
					cpu[which] = append(cpu[which], (cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()).Seconds()*1000)
				}
			}
			b.ReportMetric(0, "ns/op")
			for which := range programs {
				slices.Sort(wall[which])
				slices.Sort(cpu[which])
				b.ReportMetric(wall[which][b.N/2], which+"-ms")
				b.ReportMetric(cpu[which][b.N/2], which+"-cpu-ms")
			}
			b.ReportMetric(load(), "load")
		})
	}
}

// load is how many processes have wanted a processor in the last minute; -1 where
// the system does not say.
func load() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	var last float64
	if _, e := fmt.Sscan(strings.TrimSpace(string(text)), &last); err != nil || e != nil {
		return -1
	}
	return last
}
