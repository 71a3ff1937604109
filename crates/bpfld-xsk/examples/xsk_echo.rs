//! Answers ARP and ping for an address that no network stack has: `xsk_echo INTERFACE ADDRESS`.
#![expect(clippy::print_stdout, reason = "a program")]

use std::{error::Error, net::Ipv4Addr, time::Duration};

use bpfld::XdpMode;
use bpfld_xsk::{Redirect, Then, Umem, XskSocket};

/// A locally administered address, which is all that one needs to be found.
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 77];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [interface, address] = arguments.as_slice() else {
        return Err("usage: xsk_echo INTERFACE ADDRESS".into());
    };
    let Ok(address) = address.parse::<Ipv4Addr>() else {
        return Err(format!("{address} is no IPv4 address").into());
    };
    let mut socket = XskSocket::builder(&Umem::builder().build()?).bind(interface, 0)?;
    let redirect = Redirect::attach(interface, XdpMode::Auto)?;
    redirect.insert(&socket)?;
    println!("answering for {address} on queue 0 of {interface}");
    loop {
        socket.wait(Some(Duration::from_secs(1)))?;
        socket.for_each(64, |packet| match answer(packet, address.octets()) {
            Some(()) => Then::Send,
            None => Then::Drop,
        })?;
    }
}

/// Makes a packet the answer to itself, if there is one.
fn answer(packet: &mut [u8], address: [u8; 4]) -> Option<()> {
    match packet.get(12..14)? {
        [8, 6] => answer_arp(packet, address)?,
        [8, 0] => answer_ping(packet, address)?,
        _ => return None,
    }
    packet.copy_within(6..12, 0);
    packet[6..12].copy_from_slice(&MAC);
    Some(())
}

/// "Who has this address?" It is here.
fn answer_arp(packet: &mut [u8], address: [u8; 4]) -> Option<()> {
    if packet.get(38..42)? != address || packet[20..22] != [0, 1] {
        return None;
    }
    packet[21] = 2;
    packet.copy_within(22..32, 32);
    packet[22..28].copy_from_slice(&MAC);
    packet[28..32].copy_from_slice(&address);
    Some(())
}

/// An echo request of ICMP becomes an echo reply.
fn answer_ping(packet: &mut [u8], address: [u8; 4]) -> Option<()> {
    let without_options = packet[14] == 0x45;
    if packet.get(30..38)?.get(..4)? != address || packet[23] != 1 || packet[34] != 8 || !without_options {
        return None;
    }
    packet.copy_within(26..30, 30);
    packet[26..30].copy_from_slice(&address);
    packet[34] = 0;
    // The sum of the addresses is the same as before; that of ICMP grows by what the type became less.
    let sum = u32::from(u16::from_be_bytes([packet[36], packet[37]])) + 0x0800;
    let sum = (sum & 0xffff) + (sum >> 16);
    packet[36..38].copy_from_slice(&(sum as u16).to_be_bytes());
    Some(())
}
