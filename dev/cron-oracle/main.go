// Command cron-oracle tells when a cron expression is due next by github.com/robfig/cron, which the CronJob controller
// of Kubernetes uses. It reads lines "expression<TAB>zone<TAB>unix seconds" and answers each with a line: the unix
// seconds of the next time, "never", or "error: " and what is wrong. An empty expression asks for the zone's seconds
// ahead of UTC at that instant instead.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata"

	"github.com/robfig/cron/v3"
)

var parser = cron.NewParser(
	cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor,
)

func main() {
	questions := bufio.NewReader(os.Stdin)
	answers := bufio.NewWriter(os.Stdout)
	for {
		line, err := questions.ReadString('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		answer, err := answerTo(strings.TrimSuffix(line, "\n"))
		if err != nil {
			answer = "error: " + err.Error()
		}
		fmt.Fprintln(answers, answer)
		// Whoever asks waits for the answers once there is no more to read.
		if questions.Buffered() == 0 {
			answers.Flush()
		}
	}
	answers.Flush()
}

func answerTo(line string) (string, error) {
	fields := strings.Split(line, "\t")
	if len(fields) != 3 {
		return "", fmt.Errorf("a line has three fields, not %d", len(fields))
	}
	location, err := zone(fields[1])
	if err != nil {
		return "", err
	}
	seconds, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return "", err
	}
	instant := time.Unix(seconds, 0).In(location)
	if fields[0] == "" {
		_, offset := instant.Zone()
		return strconv.Itoa(offset), nil
	}
	schedule, err := parser.Parse(fields[0])
	if err != nil {
		return "", err
	}
	next := schedule.Next(instant)
	if next.IsZero() {
		return "never", nil
	}
	return strconv.FormatInt(next.Unix(), 10), nil
}

var zones = map[string]*time.Location{}

func zone(name string) (*time.Location, error) {
	if known, ok := zones[name]; ok {
		return known, nil
	}
	location, err := time.LoadLocation(name)
	if err == nil {
		zones[name] = location
	}
	return location, err
}
