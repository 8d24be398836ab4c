//! netconsole: the log that a guest's kernel sends by its network card, in UDP datagrams (Linux:
//! `drivers/net/netconsole.c`). Nothing repeats or sorts them, so their texts, one behind the other, are what a receiver
//! has.

use std::net::Ipv4Addr;

use etherparse::{Ethernet2Slice, Ipv4Slice, UdpSlice, ether_type, ip_number};

use super::console::{self, Console};
use crate::pcap::frames;
use harness_model::consoles::RECEIVER;

/// What has come to the receiver.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Netconsole {
    /// The log.
    pub console: Console,
    /// How many frames for the receiver it would have thrown away: no datagram, or one with a wrong checksum.
    pub damaged: u32,
    /// How many frames before all of these were not kept.
    pub dropped: u64,
}

/// Reads the frames of a pcap file, of which `dropped` are missing at its beginning. Takes any bytes. Frames for nobody and
/// for all, such as those by which a card makes itself known, are passed over.
pub fn decode(pcap: &[u8], dropped: u64) -> Netconsole {
    let (mut text, mut damaged) = (Vec::new(), 0_u32);
    for frame in frames(pcap) {
        match received(frame) {
            Received::Text(part) => text.extend_from_slice(part),
            Received::Damaged => damaged = damaged.saturating_add(1),
            Received::Others => {}
        }
    }
    Netconsole { console: console::decode(&text), damaged, dropped }
}

/// What a frame is to the receiver.
enum Received<'a> {
    Text(&'a [u8]),
    Damaged,
    Others,
}

fn received(frame: &[u8]) -> Received<'_> {
    match Ethernet2Slice::from_slice_without_fcs(frame) {
        Ok(link) if link.destination() == RECEIVER.mac => datagram(&link).map_or(Received::Damaged, Received::Text),
        _ => Received::Others,
    }
}

/// What the datagram for the receiver says; none if it is not whole.
fn datagram<'a>(link: &Ethernet2Slice<'a>) -> Option<&'a [u8]> {
    if link.ether_type() != ether_type::IPV4 {
        return None;
    }
    let packet = Ipv4Slice::from_slice(link.payload_slice()).ok()?;
    let (header, payload) = (packet.header().to_header(), packet.payload());
    let is_sound = header.header_checksum == header.calc_header_checksum() && !payload.fragmented;
    if !is_sound || payload.ip_number != ip_number::UDP || Ipv4Addr::from(header.destination) != RECEIVER.address {
        return None;
    }
    let udp = UdpSlice::from_slice(payload.payload).ok()?;
    let sum = udp.to_header().calc_checksum_ipv4(&header, udp.payload()).ok()?;
    // A checksum of 0 says that there is none (RFC 768).
    (udp.destination_port() == RECEIVER.port && (udp.checksum() == 0 || udp.checksum() == sum)).then(|| udp.payload())
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    use super::*;
    use harness_model::consoles::SENDER;
    use harness_testdata::pcap_file as file;

    /// A datagram as netconsole sends it.
    fn sent(text: &[u8]) -> Vec<u8> {
        let builder = PacketBuilder::ethernet2(SENDER.mac, RECEIVER.mac)
            .ipv4(SENDER.address.octets(), RECEIVER.address.octets(), 64)
            .udp(SENDER.port, RECEIVER.port);
        let mut frame = vec![0; builder.size(text.len())];
        builder.write_to_slice(&mut frame, text).unwrap();
        frame
    }

    fn of(frames: &[Vec<u8>]) -> (String, u32) {
        let Netconsole { console, damaged, .. } = decode(&file(frames), 0);
        (console.text, damaged)
    }

    #[test]
    fn texts_stand_one_behind_the_other_in_the_order_that_they_came() {
        let frames = [&b"[    1.000000][    T1] one\n"[..], b"[    1.000001][    T1] tw", b"o\nthree\n"].map(sent);
        assert_eq!(of(&frames), ("[    1.000000][    T1] one\n[    1.000001][    T1] two\nthree\n".to_owned(), 0));
        assert_eq!(of(&[frames[2].clone(), frames[0].clone()]).0, "o\nthree\n[    1.000000][    T1] one\n");
        assert_eq!(of(&[]), (String::new(), 0));
        assert_eq!(decode(&file(frames), 3).dropped, 3);
    }

    /// What Debian's 6.1.192 sent by QEMU 7.2.22's e1000 from its first witness line to the end of a panic; the serial console
    /// showed the same 70 lines.
    #[test]
    fn what_a_real_kernel_sent() {
        let pcap = include_bytes!("../../tests/fixtures/netconsole/debian-6.1.192.pcap");
        let shown = include_str!("../../tests/fixtures/netconsole/debian-6.1.192.txt");
        let netconsole = decode(pcap, 0);
        assert_eq!((netconsole.console.text.as_str(), netconsole.damaged), (shown, 0));
        assert_eq!(shown.lines().count(), 70);
    }

    #[test]
    fn control_characters_are_made_visible() {
        assert_eq!(of(&[sent(b"a\x1b[2J\0b\n")]).0, "a\u{fffd}b\n");
    }

    #[test]
    fn frames_for_others_are_passed_over() {
        let rarp = [&[0xff; 6][..], &SENDER.mac, &[0x80, 0x35], &[0; 46]].concat();
        assert_eq!(of(&[rarp, sent(b"one\n"), vec![], vec![0; 13]]), ("one\n".to_owned(), 0));
    }

    #[test]
    fn a_receiver_throws_away_what_is_damaged() {
        let whole = sent(b"one\n");
        // Of the addresses of the link the receiver's alone plays a part; the padding of a short frame none.
        let padded = [whole.clone(), vec![0; 14]].concat();
        assert_eq!(of(&[padded]), ("one\n".to_owned(), 0));
        for at in 12..whole.len() {
            let mut torn = whole.clone();
            torn[at] ^= 0x10;
            assert_eq!(of(&[torn]), (String::new(), 1), "byte {at}");
            assert_eq!(of(&[whole[..=at].to_vec()]).1, u32::from(at + 1 < whole.len() && at >= 13), "up to {at}");
        }
        let mut unchecked = whole;
        unchecked[40..42].fill(0);
        assert_eq!(of(&[unchecked]), ("one\n".to_owned(), 0), "a checksum need not be there");
    }

    proptest! {
        #[test]
        fn any_frames_become_harmless_text(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20)) {
            let addressed: Vec<Vec<u8>> =
                frames.iter().map(|rest| [&RECEIVER.mac[..], &SENDER.mac, rest].concat()).collect();
            for frames in [frames, addressed] {
                let netconsole = decode(&file(&frames), 0);
                prop_assert!(netconsole.console.text.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
                prop_assert!(netconsole.damaged as usize <= frames.len());
            }
        }

        #[test]
        fn any_bytes_are_read_to_their_end(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
            prop_assert!(decode(&bytes, 0).console.text.len() <= 3 * bytes.len());
        }

        #[test]
        fn what_was_sent_is_received(lines in prop::collection::vec("[ -~]{0,60}\n", 0..20)) {
            let frames: Vec<_> = lines.iter().map(|line| sent(line.as_bytes())).collect();
            prop_assert_eq!(of(&frames), (lines.concat(), 0));
        }
    }
}
