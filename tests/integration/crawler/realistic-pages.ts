// Pages as sites serve them: shops, news, documentation, tables, lists, other scripts, and HTML that is wrong.

const ldJson = (value: unknown) => `<script type="application/ld+json">${JSON.stringify(value)}</script>`;
const words = (count: number) =>
  Array.from(
    { length: count },
    (_, index) => `Sentence ${index} of the story tells of nets, floats and calm water.`,
  ).join(' ');
const paragraphs = (count: number) => Array.from({ length: count }, () => `<p>${words(6)}</p>`).join('\n');

const product = {
  '@context': 'https://schema.org',
  '@type': 'Product',
  name: 'Hemp Net No. 1',
  image: ['/img/net-1.png', 'https://cdn.example/net-1-large.png'],
  description: 'For calm water &amp; more.',
  brand: { '@type': 'Brand', name: 'Calm' },
  aggregateRating: { ratingValue: 4.4, reviewCount: 89 },
  offers: { '@type': 'Offer', price: '12.50', priceCurrency: 'EUR', availability: 'https://schema.org/InStock' },
};

const microdataCard = (name: string, price: string, extra = '') =>
  `<li class="item product" itemscope itemtype="https://schema.org/Product">
    <a href="/p/${name}" title="${name}"><img itemprop="image" src="/img/${name}.png" alt="A ${name}" loading=lazy></a>
    <h3 itemprop="name">${name}</h3>${extra}
    <div itemprop="offers" itemscope itemtype="https://schema.org/Offer">
      <span class="price" itemprop="price" content="${price}">€ ${price}</span><meta itemprop="priceCurrency" content="EUR">
    </div>
  </li>`;

const head = (title: string, more = '') =>
  `<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>${title}</title>${more}
  <link rel="stylesheet" href="/site.css"><script>window.dataLayer = window.dataLayer || [];</script></head>`;
const navigation =
  '<header><nav><ul><li><a href="/">Home</a></li><li><a href="/news/">News</a></li><li><a href="/about">About us</a></li></ul></nav></header>';
const footer = '<footer><p>© 2026 Calm Ltd. <a href="/imprint" rel="nofollow">Imprint</a></p></footer>';

export const REALISTIC_PAGES: Readonly<Record<string, string>> = {
  'a shop with JSON-LD':
    head('Hemp Net No. 1 | Shop', ldJson(product)) +
    `<body>${navigation}<main><h1>Hemp Net No. 1</h1><p class="f price">12,50 €</p><img src="/img/net-1.png" alt="A net" class=f>
    <div class=description>${paragraphs(3)}</div></main>${footer}</body></html>`,
  'a shop with microdata':
    head('Shop') +
    `<body itemscope itemtype="https://schema.org/ItemPage">${navigation}<ul>${microdataCard('net', '12.50')}</ul>${footer}</body></html>`,
  'a list of products with microdata':
    head('Nets') +
    `<body>${navigation}<ul class=products>${['net', 'float', 'rope'].map((name, index) => microdataCard(name, `${index}.99`)).join('')}</ul>
    <a rel=next href="?page=2">Next</a>${footer}</body></html>`,
  'a shop with Open Graph alone':
    head(
      'Cork Float',
      `<meta property="og:title" content="Cork Float"><meta property="og:type" content="product">
      <meta property="og:image" content="/img/float.png"><meta property="product:price:amount" content="3.20">
      <meta property="product:price:currency" content="EUR"><meta name="description" content="Floats &quot;well&quot;.">`,
    ) +
    `<body><h1>Cork Float</h1><img data-src="/img/float.png" src="data:image/gif;base64,R0lGOD" alt="Float"></body></html>`,
  'a shop whose JSON-LD is broken':
    head('Broken', '<script type="application/ld+json">{"@type":"Product","name":"Bro\nken",}</script>') +
    `<body><h1>x</h1><script type='Application/LD+JSON'>{"@type": "Product", "sku": </script></body></html>`,
  'a shop with variants in a graph':
    head(
      'Rope',
      ldJson({
        '@graph': [
          { '@type': 'WebSite', name: 'Shop', '@id': '#site' },
          { '@type': 'ProductGroup', name: 'Rope', brand: { '@id': '#brand' }, hasVariant: [{ offers: { price: 3 } }] },
          { '@type': 'Brand', '@id': '#brand', name: 'Strong' },
        ],
      }),
    ) +
    `<body>${navigation}<h1>Rope</h1><select><option value=1>1 m<option value=2 selected>2 m</select></body></html>`,
  'nested items with microdata':
    head('Event') +
    `<body><article class=item itemscope itemtype="https://schema.org/Event"><h2 itemprop="name">Fair</h2>
    <div itemprop="location" itemscope itemtype="https://schema.org/Place"><b itemprop="name">Harbour</b>
    <div itemprop="address" itemscope><span itemprop="streetAddress">Quay 1</span></div></div>
    <time itemprop="startDate" datetime="2026-05-01T10:00">1 May</time>
    <div class=item><p class=f>inner</p></div></article></body></html>`,
  'a news article':
    head(
      'Nets are back – Daily Net',
      `<meta property="article:published_time" content="2026-01-02T03:04:05Z"><meta name=author content="Eve">
      ${ldJson({ '@type': 'NewsArticle', headline: 'Nets are back', author: [{ name: 'Eve' }, { name: 'Bob' }] })}`,
    ) +
    `<body>${navigation}<article><h1>Nets are back</h1><p class=f>By <a rel=author href=/eve>Eve</a></p>${paragraphs(5)}
    <figure><img src="a.jpg" srcset="a.jpg 1x, b.jpg 2x" alt="Boats"><figcaption>Boats at sea</figcaption></figure>
    <blockquote><p>Nets are the future.</p></blockquote>${paragraphs(3)}</article><aside>${paragraphs(1)}</aside>${footer}</body></html>`,
  'a news article that speaks through a graph of references': `${head(
    'Wind',
    ldJson({
      '@graph': [
        {
          '@type': 'Article',
          headline: 'Wind',
          author: { '@id': '#a' },
          image: { '@id': '#i' },
          datePublished: '2026-02-03',
        },
        { '@type': 'Person', '@id': '#a', name: 'Ann' },
        { '@type': 'ImageObject', '@id': '#i', url: '/wind.jpg' },
      ],
    }),
  )}<body><main id=content><h1>Wind</h1>${paragraphs(6)}</main></body></html>`,
  'a front page of news':
    head('Daily Net') +
    `<body>${navigation}${Array.from({ length: 12 }, (_, index) => `<article class=item><h2><a href="/news/${index}">Story ${index}</a></h2><p class=f>${words(1)}</p></article>`).join('')}${footer}</body></html>`,
  'a blog with comments':
    head('On knots') +
    `<body><div class="post hentry"><h1 class=entry-title>On knots</h1><div class=entry-content>${paragraphs(5)}<ul><li>Bowline<li>Clove hitch<li>Reef <b>knot</b></ul></div></div>
    <ol class=comments>${Array.from({ length: 5 }, (_, index) => `<li class=comment><p>Comment ${index}</p></li>`).join('')}</ol></body></html>`,
  'documentation with code':
    head('createNet()') +
    `<body><div class=sidebar><ul><li><a href="#a">a</a><li><a href="other.html">other</a></ul></div><main>
    <h1>createNet()</h1>${paragraphs(2)}<h2 id=a>Example</h2><pre><code class="language-js">const net = createNet({
  mesh: 4, // in &lt;cm&gt;
});
</code></pre><p>See <code>Net</code> and <a href="../net.html#x">the class</a>.</p>${paragraphs(3)}</main></body></html>`,
  'documentation with definitions':
    head('Glossary') +
    `<body><h1>Glossary</h1><dl><dt class=f>Net<dd>${words(2)}<dt class=f>Float<dd>${words(2)}<dt>Rope<dd>${words(2)}</dl></body></html>`,
  'a manual in old HTML': `<HTML><HEAD><TITLE>Manual</TITLE><LINK REL=NEXT HREF="2.html"></HEAD><BODY BGCOLOR=white><CENTER><H1>Manual</H1></CENTER>
    <P>First paragraph <FONT COLOR=red CLASS=f>red</FONT><P>Second<BR>line<HR><UL><LI>one<LI>two</UL><A NAME=top>top</A></BODY></HTML>`,
  'a table of prices':
    head('Prices') +
    `<body><table class=prices><caption>Prices</caption><thead><tr><th>Net<th>Price</tr></thead>
    <tr class=item><td class=f>Hemp<td>1.234,50 €</tr><tr class=item><td class=f>Cotton<td>99 €</tr><tfoot><tr><td colspan=2>in euros</tfoot></table></body></html>`,
  'tables in tables': `<html><head><title>Layout</title></head><body><table width=100%><tr><td class=f>left<td><table><tr><td class=f>inner 1<td>inner 2</table><td>right</table></body></html>`,
  'a table of figures':
    head('Figures') +
    `<body><table id=figures><tbody>${Array.from({ length: 40 }, (_, row) => `<tr class=item><td class=f>${row}</td><td>${row * row}</td></tr>`).join('')}</tbody></table></body></html>`,
  'a page in Japanese': `<!doctype html><html lang=ja><head><meta charset=utf-8><title>静かな水の網</title>${ldJson({ '@type': 'Product', name: '麻の網', offers: { price: '¥1,980', priceCurrency: 'JPY' } })}</head>
    <body><h1>麻の網</h1><p class=f>¥1,980（税込）</p>${'<p>網は静かな水のために作られています。浮きと縄も売っています、どうぞご覧ください。海の人々は昔からこれを使います。</p>'.repeat(8)}</body></html>`,
  'a page in Arabic': `<!doctype html><html lang=ar dir=rtl><head><meta charset=utf-8><title>شباك الصيد</title><meta property="og:title" content="شباك الصيد"></head>
    <body><h1>شباك الصيد</h1>${'<p>الشباك مصنوعة للمياه الهادئة، وتباع هنا مع العوامات والحبال، وكل شيء متوفر الآن.</p>'.repeat(8)}<a href="/منتجات/شبكة">شبكة</a></body></html>`,
  'a page in Russian': `<!doctype html><html lang=ru><head><title>Сети</title></head><body><h1>Сети для спокойной воды</h1><p class=f>1 234,50 ₽</p><a href="/товары?имя=сеть">Сеть</a>${'<p>Сети сделаны для спокойной воды, поплавки и верёвки тоже есть, заходите.</p>'.repeat(8)}</body></html>`,
  'emoji and rare characters':
    head('🎣 Nets') +
    `<body><h1>🎣 Nets &amp; 👩‍🚀</h1><p class=f>a\u200bb\u00adc &zwj;&shy;&nbsp;&#x1F41F; &hearts; ﬁ</p><p class=f>&amp;lt; &notanentity; &copy2026 &#0; &#x80;</p></body></html>`,
  'a base and relative addresses of all kinds': `<html><head><base href="/deep/folder/"><title>Base</title><meta property="og:image" content="img/a.png"></head><body>
    <a href=one>1</a><a href="./two?x=1&amp;y=2#z">2</a><a href="../three">3</a><a href="//other.example/four">4</a><a href="?q">5</a>
    <a href="mailto:a@b.example">6</a><a href="javascript:void(0)">7</a><a href="  six  ">8</a><img src="img/b.png" alt=b><img src="../c.png"></body></html>`,
  'a base elsewhere': `<html><head><base href="https://cdn.example/x/" target=_blank></head><body><h1>x</h1><a href=y class=f>y</a><img class=f src=z.png></body></html>`,
  'paragraphs that nobody closed': `<title>Open</title><h1>Open<p class=f>one<p class=f>two<ul><li class=item>a<li class=item>b<p class=f>c</ul><div class=item><p class=f>d</div>`,
  'tags that nobody opened': `<title>Closed</title></div></span><h1>Heading</h1></p><div class=item></b>text<p class=f>f</p></section></div></body>after</html>`,
  'attributes that are wrong': `<title>Attributes</title><h1 class="a" class="b">h</h1><p class=f id=x id=y data-v='1' data-v="2">p</p><a href=/a href=/b>a</a><img src=/i.png alt="un closed"><a href='/c"d'>c</a><p class="f"title="t">no space</p>`,
  'comments of all kinds': `<!-- a -- b --><title>Comments</title><!----><h1>h<!-- in --></h1><!-- > --><p class=f>a<!-->b<p class=f>c</p><!-- <a href=/hidden>no</a> --><?php echo 1 ?><![CDATA[x]]><p class=f>d</p>`,
  'scripts that write tags':
    head('Scripts') +
    `<body><h1>s</h1><script>if (1 < 2) document.title; var a = "<p class=f>no<\\/p>";</script><script type=text/template><p class=f>no</p></script><p class=f>yes</p><style>p > .f { color: red }</style></body></html>`,
  'a form':
    head('Search') +
    `<body><form action=/s><label for=q>Search</label><input id=q name=q value="nets"><textarea class=f>
text area</textarea><button class=f>Go</button><select><optgroup label=a><option class=f>1<option>2</optgroup></select></form></body></html>`,
  'a page of pictures':
    head('Pictures') +
    `<body>${Array.from({ length: 30 }, (_, index) => `<figure class=item><a href="/pic/${index}"><img ${index % 2 ? 'data-src' : 'src'}="/img/${index % 10}.jpg" alt="Picture ${index}"></a></figure>`).join('')}
    <picture><source srcset="/wide.webp 2x"><img srcset="/a.png 1x, /b.png 2x" alt=set></picture><svg class=f><title>icon</title><text>svg</text></svg></body></html>`,
  'videos, audio and frames':
    head('Media', '<meta property="og:video" content="/v.mp4">') +
    `<body itemscope itemtype="https://schema.org/VideoObject"><h1 itemprop=name>Film</h1><video itemprop=contentUrl src=/v.mp4 poster=/p.png></video>
    <audio src=/a.mp3>no audio</audio><object itemprop=embed data=/o.swf></object><data itemprop=views value=17>17 views</data><meter itemprop=level value=0.5>half</meter></body></html>`,
  'an empty shell': `${head('App')}<body><div id=root></div></body></html>`,
  'an error page': `<html><head><title>Not found</title></head><body><center><h1>Not found</h1></center><hr><center>nginx</center></body></html>`,
  'text alone': 'Just text &amp; nothing else.',
};
