package schema

import "testing"

func TestOrigin_AppendGTID(t *testing.T) {
	server := [16]byte{0x3e, 0x11, 0xfa, 0x47, 0x71, 0xca, 0x11, 0xe1, 0x9e, 0x33, 0xc8, 0x0a, 0xa9, 0x42, 0x95, 0x62}
	for want, o := range map[string]Origin{
		"": {Seq: 4, ServerID: 11},
		"3e11fa47-71ca-11e1-9e33-c80aa9429562:23":     {Server: server, Number: 23},
		"3e11fa47-71ca-11e1-9e33-c80aa9429562:red:23": {Server: server, Tag: "red", Number: 23},
		"7-11-23": {Domain: 7, ServerID: 11, Number: 23},
		"0-11-23": {ServerID: 11, Number: 23},
	} {
		if got := string(o.AppendGTID(nil)); got != want {
			t.Errorf("%+v: got %q, want %q", o, got, want)
		}
	}
}
