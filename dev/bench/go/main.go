// The client repeats what kube-scheduler's HTTPExtender.send does, and times it.
//
// One keep-alive connection, one request after the other, each answer decoded as it arrives into the
// structs of extender/v1. Owns the clock, also that of its own decoding; must not know which extender answers.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// repeats is how often each answer is decoded again.
const repeats = 5

// filterResult is extender/v1's ExtenderFilterResult where nodeCacheCapable is true.
type filterResult struct {
	Nodes                      *json.RawMessage
	NodeNames                  *[]string
	FailedNodes                map[string]string
	FailedAndUnresolvableNodes map[string]string
	Error                      string
}

// hostPriority is extender/v1's HostPriority.
type hostPriority struct {
	Host  string
	Score int64
}

// request is one call: its body is read from a file before any clock starts.
type request struct {
	Verb string `json:"verb"`
	File string `json:"file"`
	body []byte
	// answer is the first one, kept to time what decoding it takes.
	answer []byte
}

// scenario is read from stdin. A cycle is what one scheduling attempt asks.
type scenario struct {
	URL     string      `json:"url"`
	Warmup  int         `json:"warmup"`
	Count   int         `json:"count"`
	PauseUS int         `json:"pause_us"`
	Cycles  [][]request `json:"cycles"`
}

// report is written to stdout: the microseconds of each request, cycle by cycle, and the client's own part.
type report struct {
	Microseconds [][]float64 `json:"microseconds"`
	// Decoding is the median, over the cycles, of what decoding the answers from memory takes.
	Decoding float64 `json:"decoding"`
}

func main() {
	log.SetFlags(0)
	asked, err := read()
	if err != nil {
		log.Fatalf("client: %v", err)
	}
	done, err := run(asked)
	if err != nil {
		log.Fatalf("client: %v", err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(done); err != nil {
		log.Fatalf("client: %v", err)
	}
}

func read() (*scenario, error) {
	asked := &scenario{}
	if err := json.NewDecoder(os.Stdin).Decode(asked); err != nil {
		return nil, err
	}
	for _, cycle := range asked.Cycles {
		for i := range cycle {
			body, err := os.ReadFile(cycle[i].File)
			if err != nil {
				return nil, err
			}
			cycle[i].body = body
		}
	}
	return asked, nil
}

func run(asked *scenario) (*report, error) {
	// As kube-scheduler's makeTransport leaves it for plain HTTP.
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 2}}
	done := &report{Microseconds: make([][]float64, 0, asked.Count)}
	for i := range asked.Warmup + asked.Count {
		if asked.PauseUS > 0 {
			time.Sleep(time.Duration(asked.PauseUS) * time.Microsecond)
		}
		took, err := once(client, asked.URL, asked.Cycles[i%len(asked.Cycles)])
		if err != nil {
			return nil, err
		}
		if i >= asked.Warmup {
			done.Microseconds = append(done.Microseconds, took)
		}
	}
	decoding, err := decodingOf(asked.Cycles)
	done.Decoding = decoding
	return done, err
}

func decodingOf(cycles [][]request) (float64, error) {
	var took []float64
	for range repeats {
		for _, cycle := range cycles {
			began := time.Now()
			for i := range cycle {
				if err := decode(cycle[i].Verb, bytes.NewReader(cycle[i].answer)); err != nil {
					return 0, err
				}
			}
			took = append(took, float64(time.Since(began).Nanoseconds())/1e3)
		}
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

func once(client *http.Client, url string, cycle []request) ([]float64, error) {
	took := make([]float64, 0, len(cycle))
	for i := range cycle {
		began := time.Now()
		if err := ask(client, url, &cycle[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", cycle[i].Verb, err)
		}
		took = append(took, float64(time.Since(began).Nanoseconds())/1e3)
	}
	return took, nil
}

// ask is HTTPExtender.send from where its arguments are JSON.
func ask(client *http.Client, url string, asked *request) error {
	target := strings.TrimRight(url, "/") + "/" + asked.Verb
	req, err := http.NewRequest(http.MethodPost, target, bytes.NewReader(asked.body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	if asked.answer != nil {
		return decode(asked.Verb, resp.Body)
	}
	if asked.answer, err = io.ReadAll(resp.Body); err != nil {
		return err
	}
	return decode(asked.Verb, bytes.NewReader(asked.answer))
}

func decode(verb string, answer io.Reader) error {
	decoder := json.NewDecoder(answer)
	if verb == "prioritize" {
		var scores []hostPriority
		if err := decoder.Decode(&scores); err != nil {
			return err
		}
		if len(scores) == 0 {
			return fmt.Errorf("no scores")
		}
		return nil
	}
	var filtered filterResult
	if err := decoder.Decode(&filtered); err != nil {
		return err
	}
	if filtered.Error != "" || filtered.NodeNames == nil {
		return fmt.Errorf("no answer: %s", filtered.Error)
	}
	return nil
}
