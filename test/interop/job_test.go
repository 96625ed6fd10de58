package interop

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// TestJobManifest reads deploy/kubernetes/job.yaml strictly as the API's types,
// and holds what the API server and the shards would refuse.
func TestJobManifest(t *testing.T) {
	text, err := os.ReadFile("../../deploy/kubernetes/job.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var job batchv1.Job
	if err := yaml.UnmarshalStrict(text, &job); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(bytes.Replace(text, []byte("parallelism:"), []byte("parallelisms:"), 1), new(batchv1.Job)); err == nil {
		t.Fatal("a misspelt field was accepted: the test tests nothing")
	}
	if job.APIVersion != "batch/v1" || job.Kind != "Job" || job.Name == "" {
		t.Errorf("%s %s %q", job.APIVersion, job.Kind, job.Name)
	}
	s := job.Spec
	if s.CompletionMode == nil || *s.CompletionMode != batchv1.IndexedCompletion || s.Completions == nil || s.BackoffLimitPerIndex == nil {
		t.Fatal("not an indexed Job with a back-off for each index")
	}
	shard := "--shard=$(JOB_COMPLETION_INDEX)/" + strconv.Itoa(int(*s.Completions))
	c := s.Template.Spec.Containers[0]
	found := false
	for _, arg := range c.Args {
		found = found || arg == shard
	}
	if !found {
		t.Errorf("no argument is %s: %v", shard, c.Args)
	}
	if s.MaxFailedIndexes != nil && *s.MaxFailedIndexes > *s.Completions {
		t.Error("more indexes may fail than there are")
	}
	if p := s.Template.Spec.RestartPolicy; p != corev1.RestartPolicyNever {
		t.Errorf("a failure policy for pods needs restartPolicy Never, not %s", p)
	}
	if s.PodFailurePolicy == nil || s.PodReplacementPolicy == nil || *s.PodReplacementPolicy != batchv1.Failed {
		t.Error("a failure policy needs podReplacementPolicy Failed")
	}
	for _, r := range s.PodFailurePolicy.Rules {
		if e := r.OnExitCodes; e != nil {
			for i, code := range e.Values {
				if i > 0 && code <= e.Values[i-1] {
					t.Error("exit codes must ascend")
				}
			}
			if e.ContainerName == nil || *e.ContainerName != c.Name {
				t.Error("the failure policy names another container")
			}
		}
		for _, p := range r.OnPodConditions {
			if p.Status != corev1.ConditionTrue {
				t.Errorf("%s must be True", p.Type)
			}
		}
	}
	if !strings.Contains(c.Image, "@sha256:") {
		t.Error("the image is not named by digest")
	}
	if sc := c.SecurityContext; sc == nil || sc.ReadOnlyRootFilesystem == nil || !*sc.ReadOnlyRootFilesystem || *sc.AllowPrivilegeEscalation {
		t.Error("the container may do more than it needs")
	}
	mounted := map[string]bool{}
	for _, v := range s.Template.Spec.Volumes {
		mounted[v.Name] = true
	}
	for _, m := range c.VolumeMounts {
		if !mounted[m.Name] {
			t.Errorf("no volume %s", m.Name)
		}
	}
}
