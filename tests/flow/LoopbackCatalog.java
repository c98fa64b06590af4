import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import org.apache.iceberg.rest.RESTCatalogAdapter;
import org.apache.iceberg.rest.RESTCatalogServer;
import org.apache.iceberg.rest.RESTCatalogServlet;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;

/** Iceberg's REST catalog server as its own main starts it, but on loopback: that one listens on all of a machine's addresses. */
class LoopbackCatalog {
  public static void main(String[] args) throws Exception {
    Constructor<RESTCatalogServer> maker = RESTCatalogServer.class.getDeclaredConstructor();
    maker.setAccessible(true);
    Method connect = RESTCatalogServer.class.getDeclaredMethod("initializeBackendCatalog");
    connect.setAccessible(true);
    Object backend = connect.invoke(maker.newInstance());
    Constructor<?> adapter =
        Class.forName("org.apache.iceberg.rest.RESTServerCatalogAdapter").getDeclaredConstructor(backend.getClass());
    adapter.setAccessible(true);
    ServletContextHandler pages = new ServletContextHandler(ServletContextHandler.NO_SESSIONS);
    RESTCatalogServlet servlet = new RESTCatalogServlet((RESTCatalogAdapter) adapter.newInstance(backend));
    pages.addServlet(new ServletHolder(servlet), "/*");
    int port = Integer.parseInt(System.getenv("CATALOG_REST_PORT"));
    Server server = new Server(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
    server.setHandler(pages);
    server.start();
    server.join();
  }
}
