"use strict";(()=>{function O(t,e,n){for(let[o,r]of Object.entries(e))r==null||r===!1||t.setAttribute(o,r===!0?"":String(r));t.append(...n.filter(o=>o!=null))}function d(t,e={},...n){let o=document.createElement(t);return O(o,e,n),o}function g(t,e){let n=t.childNodes.length===1?t.firstChild:null;n instanceof Text?n.data!==e&&(n.data=e):t.textContent!==e&&(t.textContent=e)}var P=0;function b(t){let e;do e=`fw-${t}-${++P}`;while(document.getElementById(e));return e}function E(t,e){return d("div",{class:"fw-error",role:"alert"},d("strong",{},t),d("p",{},e))}var c=(t,e)=>String(t.get(e)??"");function p(t,e,n){for(let o of e)t.on(`change:${o}`,n);n()}function M(t,e,...n){e.id=b("control");let o=d("label",{for:e.id});return p(t,["description"],()=>{g(o,c(t,"description")),c(t,"description")?e.removeAttribute("aria-label"):e.setAttribute("aria-label",e.tagName==="SELECT"?"选项 options":"数值 value")}),d("div",{class:"fwh-control"},o,e,...n)}function k(t,e){let n=d("input",{type:"range"}),o=d("output"),r=/\.(\d+)f/.exec(c(t,"readout_format"))?.[1];p(t,["min","max","step","value","disabled"],()=>{n.min=c(t,"min"),n.max=c(t,"max"),n.step=c(t,"step"),n.value=c(t,"value"),n.disabled=!!t.get("disabled"),g(o,r?Number(t.get("value")).toFixed(Number(r)):c(t,"value"))}),n.addEventListener("input",()=>t.set("value",n.valueAsNumber)),e.append(M(t,n,...t.get("readout")===!1?[]:[o]))}function B(t,e){let n=d("input",{type:"checkbox"});p(t,["value","disabled"],()=>{n.checked=!!t.get("value"),n.disabled=!!t.get("disabled")}),n.addEventListener("change",()=>t.set("value",n.checked)),e.append(M(t,n))}function j(t,e){let n=d("select");p(t,["_options_labels","index","disabled"],()=>{n.replaceChildren(...t.get("_options_labels").map(o=>d("option",{},o))),n.selectedIndex=t.get("index")??-1,n.disabled=!!t.get("disabled")}),n.addEventListener("change",()=>t.set("index",n.selectedIndex)),e.append(M(t,n))}function D(t,e){let n=b("options"),o=d("legend"),r=d("fieldset",{class:"fwh-toggle"},o);p(t,["_options_labels","description","index"],()=>{g(o,c(t,"description"));let s=t.get("_options_labels");r.querySelectorAll("input").length!==s.length&&r.replaceChildren(o,...s.map((i,a)=>{let l=d("input",{type:"radio",name:n});return l.addEventListener("change",()=>t.set("index",a)),d("label",{},l,i)})),r.querySelectorAll("input").forEach((i,a)=>i.checked=a===t.get("index"))}),e.append(r)}function H(t,e){let n=t.get("_model_name")==="HTMLModel"||t.get("_view_name")==="HTMLView",o=d("div",{class:"fwh-text"});p(t,["value"],()=>{let r=c(t,"value");g(o,n?new DOMParser().parseFromString(r,"text/html").body.textContent??"":r)}),e.append(o)}var S={IntSliderModel:k,FloatSliderModel:k,CheckboxModel:B,DropdownModel:j,ToggleButtonsModel:D,LabelModel:H,HTMLModel:H},T={BoxModel:"fwh-hbox",HBoxModel:"fwh-hbox",VBoxModel:"fwh-vbox"};function _(t){let e=atob(t),n=new Uint8Array(e.length);for(let o=0;o<e.length;o++)n[o]=e.charCodeAt(o);return new DataView(n.buffer)}function C(t){if(t.length%2||/[^0-9a-f]/i.test(t))throw new Error("a hex buffer has an odd length or a character that is not hexadecimal");let e=new Uint8Array(t.length/2);for(let n=0;n<e.length;n++)e[n]=parseInt(t.slice(2*n,2*n+2),16);return new DataView(e.buffer)}function N(t,e){return Object.is(t,e)?!0:typeof t!="object"||typeof e!="object"||!t||!e||t instanceof DataView||e instanceof DataView?!1:JSON.stringify(t)===JSON.stringify(e)}var w=class{widget_manager;#t;#e=new Map;constructor(e,n=()=>{}){this.#t=e,this.widget_manager={get_model:async o=>{let r=n(o.replace(/^IPY_MODEL_/,""));if(!r)throw new Error(`the page's saved state has no model ${o}`);return r}}}get(e){return this.#t[e]}set(e,n){let o=typeof e=="string"?{[e]:n}:e,r=Object.entries(o).filter(([s,i])=>!N(this.#t[s],i));for(let[s,i]of r)this.#t[s]=i;for(let[s,i]of r)this.#n(`change:${s}`,this,i);r.length&&this.#n("change",this)}save_changes(){}on(e,n){for(let o of e.split(/\s+/).filter(Boolean))this.#e.has(o)||this.#e.set(o,new Set),this.#e.get(o)?.add(n)}off(e,n){let o=e?e.split(/\s+/).filter(Boolean):[...this.#e.keys()];for(let r of o)n?this.#e.get(r)?.delete(n):this.#e.delete(r)}send(){}#n(e,...n){for(let o of[...this.#e.get(e)??[]])try{o(...n)}catch(r){console.error(`[frontier] a listener of ${e} failed:`,r)}}};function I(t){let e=structuredClone(t.state);for(let{data:n,encoding:o,path:r}of t.buffers??[]){let s=e;for(let i of r.slice(0,-1))s=s[i];s[r[r.length-1]]=o==="hex"?C(n):_(n)}return e}var y=class{raw;#t=new Map;constructor(e){this.raw=e}model(e){let n=this.raw[e];if(!n)return;let o=this.#t.get(e);return o||(o=new w(I(n),r=>this.model(r)),this.#t.set(e,o)),o}reference(e){return this.model(String(e).replace(/^IPY_MODEL_/,""))}link(){for(let{model_name:e,state:n}of Object.values(this.raw)){if(e!=="LinkModel"&&e!=="DirectionalLinkModel")continue;let[o,r]=n.source,[s,i]=n.target,a=this.reference(o),l=this.reference(s);!a||!l||(l.set(i,a.get(r)),a.on(`change:${r}`,()=>l.set(i,a.get(r))),e==="LinkModel"&&l.on(`change:${i}`,()=>a.set(r,l.get(i))))}}};var R={invoke:t=>Promise.reject(new Error(`"${t}" asks Python for an answer, and this page runs without a kernel`))};async function V(t){let e=URL.createObjectURL(new Blob([t],{type:"text/javascript"}));try{return await import(e)}finally{URL.revokeObjectURL(e)}}var h=class{#t=new Map;#e=new Set;#n=new Map;#o;constructor(e=V){this.#o=e}load(e){let n=this.#t.get(e);return n||(n=this.#r(e),this.#t.set(e,n)),n}async#r(e){if(/^\s*https?:\/\//.test(e))throw new Error(`the module lies at ${e.trim()}: a page loads nothing from elsewhere`);let n=await this.#o(e),o=typeof n.default=="function"?await n.default():n.default;if(!o)throw new Error("the module has no default export with render()");return{widget:o,defaults:r=>n.defaults?.(r)??{}}}style(e){if(!e||this.#e.has(e))return;this.#e.add(e);let n=document.createElement("style");n.textContent=e,document.head.append(n)}async render(e,n,o,r,s){let i=(a,l)=>{typeof a=="function"&&(l.aborted?a():l.addEventListener("abort",()=>{a()},{once:!0}))};this.#n.has(n)||this.#n.set(n,(async()=>i(await e.initialize?.({model:n,signal:s,experimental:R}),s))()),await this.#n.get(n),i(await e.render?.({model:n,el:o,signal:r,experimental:R}),r)}};var u={failed:{zh:"这个图没有装上",en:"This figure did not load"},kernel:t=>({zh:`此控件（${t}）需要正在运行的内核：请在 Jupyter 或 Colab 中打开本页的笔记本。`,en:`This control (${t}) needs a running kernel: open the page's notebook in Jupyter or Colab.`}),state:t=>({zh:`页面没有保存控件 ${t} 的状态：请重新执行笔记本并保存控件状态。`,en:`The page holds no state of widget ${t}: run the notebook again and save its widget state.`}),unknown:(t,e)=>({zh:`没有名为“${t}”的组件；已有：${e}。`,en:`There is no component named "${t}"; there are: ${e}.`}),source:t=>({zh:`控件 ${t} 的代码既不在页面里，也不在组件表里。`,en:`The code of widget ${t} is neither in the page nor in the registry of components.`}),props:(t,e)=>({zh:`组件 ${t} 的 data-props 不是 JSON 对象：${e}`,en:`data-props of component ${t} is not a JSON object: ${e}`}),data:t=>({zh:`页面中 ${t} 的数据与组件包自带的数据不一致：请重新执行笔记本。`,en:`The page was made with other data of ${t} than the package has now: run the notebook again.`})};function v(t){let e=document.documentElement.lang;return/^zh/i.test(e)?t.zh:/^en/i.test(e)?t.en:`${t.zh} ${t.en}`}var f=class extends Error{constructor(e){super(v(e))}};var z='script[type="application/vnd.jupyter.widget-view+json"]',J='script[type="application/vnd.jupyter.widget-state+json"]',x=class{#t;#e;#n=new Map;#o=new AbortController;constructor(e,n=new h){this.#t=e,this.#e=n}async start(e){let n=[];for(let r of e.querySelectorAll("[data-component]"))n.push(this.#r(r,()=>this.#a(r)));let o=[...e.querySelectorAll(z)];if(o.length){let r=this.#l(e);for(let s of o){let i=d("div",{class:"fwh-view"});s.after(i),n.push(this.#r(i,async()=>{let{model_id:a}=JSON.parse(s.textContent??"{}");await this.#s(await r,a,i)}))}}await Promise.all(n)}async#r(e,n){try{await n()}catch(o){console.error("[frontier]",o);let r=E(v(u.failed),o instanceof Error?o.message:String(o));r.classList.add("fwh-message"),e.replaceChildren(r),e.dataset.ready="failed";return}e.dataset.ready="1"}async#a(e){let n=e.dataset.component??"",o=this.#t[n];if(!o)throw new f(u.unknown(n,Object.keys(this.#t).join(", ")));let r=this.#d(n,e.dataset.props??"{}"),{widget:s,defaults:i}=await this.#e.load(o.esm),a=e.dataset.share,l=`${n}
${a}`,m=a===void 0?void 0:this.#n.get(l);m?m.set(r):(m=new w({...i(o.data),...r}),a!==void 0&&this.#n.set(l,m)),this.#e.style(o.css),e.replaceChildren(),await this.#e.render(s,m,e,this.#o.signal,this.#o.signal)}#d(e,n){let o;try{o=JSON.parse(n)}catch(r){throw new f(u.props(e,r instanceof Error?r.message:String(r)))}if(typeof o!="object"||o===null||Array.isArray(o))throw new f(u.props(e,n));return o}#i(e){return this.#t[String(e.state._anywidget_id??"").split(".").at(-1)??""]}async#l(e){let n=e.querySelector(J)?.textContent,o=n?JSON.parse(n).state:{};for(let s of Object.values(o)){let i=s.model_module==="anywidget"?this.#i(s):void 0,a=s.state.data_sha256;if(!i||!a)continue;if(a!==i.data_sha256)throw new f(u.data(String(s.state._anywidget_id)));let{defaults:l}=await this.#e.load(i.esm);s.state={...l(i.data),...s.state}}let r=new y(o);return r.link(),r}async#s(e,n,o){let r=e.raw[n],s=e.model(n);if(!r||!s)throw new f(u.state(n));if(r.model_module==="anywidget"){let i=this.#i(r),a=r.state._esm??i?.esm;if(!a)throw new f(u.source(String(r.state._anywidget_id??r.model_name)));this.#e.style(r.state._css??i?.css);let{widget:l}=await this.#e.load(a);await this.#e.render(l,s,o,this.#o.signal,this.#o.signal)}else if(r.model_name in T){let i=d("div",{class:T[r.model_name]});o.append(i),await Promise.all(s.get("children").map(a=>{let l=d("div");return i.append(l),this.#s(e,String(a).replace(/^IPY_MODEL_/,""),l)}))}else r.model_name in S?S[r.model_name](s,o):o.append(d("div",{class:"fwh-message"},d("p",{},v(u.kernel(r.model_name.replace(/Model$/,""))))))}};var $=`.fwh-view {
  margin: 0.5rem 0;
  min-width: 0;
}
.fwh-vbox,
.fwh-hbox {
  display: flex;
  gap: 0.5rem;
  min-width: 0;
}
.fwh-vbox {
  flex-direction: column;
}
.fwh-hbox {
  flex-flow: row wrap;
  align-items: center;
}
.fwh-vbox > *,
.fwh-hbox > * {
  min-width: 0;
  max-width: 100%;
}
.fwh-control {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 0.5rem;
}
.fwh-toggle {
  display: flex;
  flex-wrap: wrap;
  gap: 0.25rem 0.75rem;
  border: 0;
  margin: 0;
  padding: 0;
}
.fwh-toggle label {
  display: inline-flex;
  align-items: center;
  gap: 0.3rem;
}
.fwh-message {
  border: 1px solid currentColor;
  border-left-width: 4px;
  border-radius: 4px;
  padding: 0.6rem 0.8rem;
  margin: 0.5rem 0;
}
.fwh-message p {
  margin: 0;
  overflow-wrap: anywhere;
}
@media print {
  .fwh-control input {
    display: none;
  }
}
`;var L=document.currentScript;L instanceof HTMLScriptElement&&L.src&&(window.frontierStatic=new URL(".",L.src).href);async function U(){let t=new h;t.style($),await new x(window.frontierComponents??{},t).start(document),document.documentElement.dataset.frontier="done"}var A=()=>{U().catch(t=>console.error("[frontier]",t))};document.readyState==="loading"?document.addEventListener("DOMContentLoaded",A,{once:!0}):A();})();
