/** Bodies of events and messages to be spoiled: RFC 4235, RFC 3863, RFC 3680, RFC 3842, RFC 3862. */
const XML = '<?xml version="1.0" encoding="UTF-8"?>\r\n';

export const documents: readonly string[] = [
  `${XML}<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="1" state="full" entity="sip:200@pbx.lan"><dialog id="as7d900as8" call-id="a84b4c76e66710" local-tag="1928301774" remote-tag="456887766" direction="initiator"><state event="1xx">early</state><local><identity display="Anna &amp; Bob">sip:200@pbx.lan</identity><target uri="sip:200@10.0.0.9:5062"><param pname="+sip.rendering" pval="no"/></target></local><remote><identity>tel:+4930123;phone-context=lan</identity><!-- note --></remote></dialog></dialog-info>`,
  `${XML}<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" entity='pres:anna@pbx.lan'><p:tuple id="t1"><p:status><p:basic>open</p:basic></p:status><p:contact priority="0.8">sip:anna@10.0.0.9:5060;transport=tcp</p:contact><p:note xml:lang="de"><![CDATA[bald < da]]>&#228;&#x20AC;</p:note></p:tuple></p:presence>`,
  `${XML}<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="0" state="full"><registration aor="sip:anna@pbx.lan" id="as9" state="active"><contact id="76" state="active" event="registered" callid="a84b@10.0.0.9" cseq="3" received="sip:10.0.0.9:5062"><uri>sip:anna@10.0.0.9</uri></contact></registration></reginfo>`,
  "Messages-Waiting: yes\r\nMessage-Account: <sip:anna@pbx.lan>\r\nVoice-Message: 4/8 (1/2)\r\nFax-Message: 1/0\r\n\r\nTo: <anna@pbx.lan>\r\n",
  "From: MR SANDERS <im:piglet@wood.example>\r\nTo: Donkey <sip:eeyore@10.0.0.9>\r\nDateTime: 2000-12-13T13:40:00-08:00\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 34jk324j\r\n\r\nContent-type: message/imdn+xml\r\n\r\n<imdn><message-id>34jk324j</message-id><recipient-uri>im:piglet@wood.example</recipient-uri></imdn>",
];
